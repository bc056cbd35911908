"""The same program gives the same report in every run, whatever the order in which Python's sets come out.

Sets of strings come out in an order that depends on `PYTHONHASHSEED`, sets of objects in one that depends on where in
memory these are. Each run here has another seed, and meets the programs in another order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

SEEDS = (1, 2)
#: How many copies of a program whose values are sets of several stand beside the fixtures.
COPIES = 12
#: Values that come from several places, in an order that nothing but the source gives: executors, handles, targets.
SEVERAL = """\
import asyncio
import multiprocessing
import subprocess
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from jobs import first, second, work


class Pool:
    def __init__(self, apart):
        self.executor = None
        if apart:
            try:
                self.executor = ProcessPoolExecutor(2)
            except OSError:
                pass
        if self.executor is None:
            self.executor = ThreadPoolExecutor(1)

    async def run(self, paths):
        loop = asyncio.get_running_loop()
        return [await task for task in [loop.run_in_executor(self.executor, work, path) for path in paths]]


def start(kind, argv):
    if kind == "a":
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, shell=True)
    elif kind == "b":
        child = subprocess.Popen(argv, stderr=subprocess.PIPE)
    else:
        child = multiprocessing.Process(target=first if kind == "c" else second)
    return child


def stop(kind, argv):
    child = start(kind, argv)
    child.terminate()
    child.wait()


def watch(*callbacks):
    def again():
        for callback in callbacks:
            callback()
        timer.start()

    timer = threading.Timer(1, again if callbacks else (lambda: watch(first)))
    again()
"""
PROGRAM = """\
import random
import sys

from fixture_cases import all_cases

from flake8_forksafe import analysis, registry
from flake8_forksafe.settings import Settings

seed, several, copies = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rules = list(registry.rules().values())
programs = [(case.name, case.filename, case.settings, case.source) for case in all_cases() if case.kind == "bad"]
programs += [(f"copy {n}", "module.py", Settings((3, 11)), several) for n in range(copies)]
random.Random(seed).shuffle(programs)
found = {}
for name, filename, settings, source in programs:
    findings = analysis.check_source(source.encode(), filename=filename, settings=settings, rules=rules)
    found[name] = [f"{f.span} {f.code} {f.message} {f.related} {f.fix}" for f in findings]
for name in sorted(found):
    print(name, *found[name], sep="\\n  ")
"""


@cache
def report(seed: int) -> str:
    """What one interpreter says about all hits of the fixtures and the copies: places, reasons and fixes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seed), SEVERAL, str(COPIES)],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_two_interpreters_with_other_hashes_report_the_same() -> None:
    first, second = (report(seed).splitlines() for seed in SEEDS)
    assert len(first) > 1000
    assert first == second


def test_copies_of_a_program_are_reported_alike() -> None:
    _, *copies = report(SEEDS[0]).split("\ncopy ")
    assert len(copies) == COPIES
    (reported,) = {copy.partition("\n")[2].strip() for copy in copies}
    assert {"FRK302", "FRK501"} <= set(re.findall(r"FRK\d+", reported))
