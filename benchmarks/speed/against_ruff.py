"""The scenario that compares ``forksafe`` with the fastest linter a user could run instead."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.corpus import Corpus
from benchmarks.speed.environments import Environment
from benchmarks.speed.measure import Against, Goal, Measure, RunError, Scenario

#: The rules of ruff about the same calls.
_RULES = "S602,S603,S605,PLW1509,PLW1510"
# A corpus inside a project's ignored cache folder is checked by forksafe, because it is named; ruff has to be told.
_RUFF = ("check", "--isolated", "--no-cache", "--no-respect-gitignore", "--exit-zero", f"--select={_RULES}")
_CONCISE = "--output-format=concise"
_CANNOT_PARSE = re.compile(r".+?:\d+:\d+: (?:invalid-syntax|SyntaxError)\b")
_FILE_COUNT = re.compile(r"^forksafe: (\d+) Python files", re.MULTILINE)

_GOALS = (
    Goal(Measure.CPU, Against.RATIO, 1.0),
    Goal(Measure.CPU, Against.RATIO, 0.7, "stretch"),
    Goal(Measure.WALL, Against.RATIO, 1.0),
    Goal(Measure.WALL, Against.RATIO, 0.7, "stretch"),
    Goal(Measure.PEAK, Against.DIFFERENCE, 60e6),
)


def whole_check(corpus: Corpus, ruff: Environment, ours: Environment, *, rounds: int) -> Scenario:
    """Check every file of `corpus` with both, each with its own defaults for processes and output."""
    return Scenario(
        title="forksafe / ruff: the corpus",
        folder=corpus.folder,
        baseline=ruff.script("ruff", *_RUFF, "."),
        subject=ours.script("forksafe", "."),
        rounds=rounds,
        shown=(Measure.CPU, Measure.WALL, Measure.PEAK),
        goals=_GOALS,
    )


def count_reports(corpus: Corpus, ruff: Environment, ours: Environment) -> tuple[int, int]:
    """Run both once over `corpus`, unmeasured, and return how much ruff and ``forksafe`` report.

    It is the warm-up too. Raises `RunError` unless both check all the files, and can parse what they look at.
    """
    seen = sum(
        line.endswith(".py") for line in _output(ruff.script("ruff", *_RUFF, "--show-files", "."), corpus.folder)
    )
    reports = [line for line in _output(ruff.script("ruff", *_RUFF, _CONCISE, "."), corpus.folder) if ".py:" in line]
    findings, checked = _forksafe(corpus.folder, ours)
    if not seen == checked == corpus.files:
        raise RunError(f"of {corpus.files} files ruff checks {seen} and forksafe {checked}")
    if unparsed := next((line for line in reports if _CANNOT_PARSE.match(line)), None):
        raise RunError(f"ruff cannot parse a file: {unparsed}")
    return len(reports), findings


def _forksafe(folder: Path, ours: Environment) -> tuple[int, int]:
    """Return how much ``forksafe`` reports, and in how many files it has looked for it."""
    command = ours.script("forksafe", "--verbose", "--output-format=concise", ".")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    count = _FILE_COUNT.search(done.stderr)
    if count is None or done.returncode not in (0, 1):
        raise RunError(f"status {done.returncode} from {' '.join(command)}: {done.stderr.strip()}")
    return len(done.stdout.splitlines()), int(count[1])


def _output(command: tuple[str, ...], folder: Path) -> Iterator[str]:
    # Line by line: what this process holds would count as a peak of the commands that it starts.
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None  # stdout=PIPE
        for line in process.stdout:
            yield line.rstrip("\n")
    if process.returncode != 0:
        raise RunError(f"status {process.returncode} from {' '.join(command)}")
