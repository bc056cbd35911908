"""Run two commands by turns and compare what they used.

A `Scenario` names any two commands: flake8 without and with the plugin, or another
linter and this one. Each round runs both, back to back, and the order swaps from round
to round, so that whatever else the machine does meets both sides alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from statistics import median
from typing import assert_never

_RSS_BYTES = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss


class RunError(Exception):
    """A measured command that failed; the message is one line for people."""


class Measure(Enum):
    """What is compared; the value is its name in the table."""

    CPU = "CPU"
    WALL = "wall"
    PEAK = "peak memory"


class Against(Enum):
    """What a goal limits: subject / baseline, or subject - baseline."""

    RATIO = "ratio"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Goal:
    """At most `limit`: a factor for a ratio, else seconds or bytes; `note` says what is special about it."""

    measure: Measure
    against: Against
    limit: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Two commands to compare, run in `folder`; `goals` are what the subject must meet.

    `shown` are the measures that get a row in the table. `besides`, if any, is run after the
    baseline and counts with it.
    """

    title: str
    folder: Path
    baseline: tuple[str, ...]
    subject: tuple[str, ...]
    rounds: int
    shown: tuple[Measure, ...]
    goals: tuple[Goal, ...] = ()
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run of a command used, with all its children."""

    cpu: float  # seconds, user + system
    wall: float  # seconds
    peak: float  # bytes, resident, of the largest process

    def of(self, measure: Measure) -> float:
        """The amount of one measure."""
        match measure:
            case Measure.CPU:
                return self.cpu
            case Measure.WALL:
                return self.wall
            case Measure.PEAK:
                return self.peak
            case _:
                assert_never(measure)

    def __add__(self, other: Usage) -> Usage:
        """Return what both used, one after the other."""
        return Usage(self.cpu + other.cpu, self.wall + other.wall, max(self.peak, other.peak))


@dataclass(frozen=True, slots=True)
class Round:
    """One run of each side, back to back."""

    baseline: Usage
    subject: Usage


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure over all rounds: medians of each side and of the paired figures."""

    scenario: Scenario
    measure: Measure
    baseline: float
    subject: float
    difference: float
    ratio: float
    ratio_range: tuple[float, float]

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The scenario's goals for this measure."""
        return tuple(goal for goal in self.scenario.goals if goal.measure is self.measure)

    def meets(self, goal: Goal) -> bool:
        """Whether `goal` is met."""
        return self.figure(goal.against) <= goal.limit

    def figure(self, against: Against) -> float:
        """The figure that a goal of this kind limits."""
        match against:
            case Against.RATIO:
                return self.ratio
            case Against.DIFFERENCE:
                return self.difference
            case _:
                assert_never(against)


def compare(scenario: Scenario) -> Iterator[Comparison]:
    """Run all rounds of `scenario`, then yield one comparison per shown measure that can be told.

    Raises `RunError` when a command ends with another status than 0 (clean) or 1 (findings).
    """
    rounds = tuple(_rounds(scenario))
    for measure in scenario.shown:
        if measure is Measure.PEAK and (reason := _why_no_peaks(rounds)):
            print(f"{scenario.title}: no row for peak memory: {reason}", file=sys.stderr)
        else:
            yield _comparison(scenario, measure, rounds)


def _rounds(scenario: Scenario) -> Iterator[Round]:
    for number in range(scenario.rounds):
        _progress(f"{scenario.title}: round {number + 1} of {scenario.rounds}")
        if number % 2:
            subject = run(scenario.subject, scenario.folder)
            baseline = _run_baseline(scenario)
        else:
            baseline = _run_baseline(scenario)
            subject = run(scenario.subject, scenario.folder)
        yield Round(baseline, subject)


def _run_baseline(scenario: Scenario) -> Usage:
    usage = run(scenario.baseline, scenario.folder)
    return usage + run(scenario.besides, scenario.folder) if scenario.besides else usage


def warm_up(scenario: Scenario) -> None:
    """Run both sides once, unmeasured: bytecode is written and the files are in memory afterwards."""
    _run_baseline(scenario)
    run(scenario.subject, scenario.folder)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def run(command: tuple[str, ...], folder: Path) -> Usage:
    """Run `command` in `folder`, its output thrown away, and return what it used."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RunError(f"status {process.returncode} from {' '.join(command)}")
    return Usage(cpu=used.ru_utime + used.ru_stime, wall=wall, peak=used.ru_maxrss * _RSS_BYTES)


def _why_no_peaks(rounds: tuple[Round, ...]) -> str | None:
    # Linux counts a child's memory from before its exec too, and there it is this process's: see ru_maxrss in
    # https://man7.org/linux/man-pages/man2/getrusage.2.html. A smaller command cannot be measured.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_BYTES
    least = min(usage.peak for one in rounds for usage in (one.baseline, one.subject))
    return f"{least / 1e6:.1f} MB, and the benchmark itself {own / 1e6:.1f} MB" if least <= own else None


def _comparison(scenario: Scenario, measure: Measure, rounds: tuple[Round, ...]) -> Comparison:
    pairs = [(one.baseline.of(measure), one.subject.of(measure)) for one in rounds]
    ratios = [subject / baseline for baseline, subject in pairs]
    return Comparison(
        scenario=scenario,
        measure=measure,
        baseline=median(baseline for baseline, _ in pairs),
        subject=median(subject for _, subject in pairs),
        difference=median(subject - baseline for baseline, subject in pairs),
        ratio=median(ratios),
        ratio_range=(min(ratios), max(ratios)),
    )
