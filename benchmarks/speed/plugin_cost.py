"""The scenarios that ask what the plugin adds to flake8."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.command_start import LINE
from benchmarks.speed.environments import Environment
from benchmarks.speed.measure import Against, Goal, Measure, RunError, Scenario

_OUR_CODE = re.compile(r":\d+:\d+: FRK\d{3} ")

_ADDED_CPU = (Goal(Measure.CPU, Against.RATIO, 1.01), Goal(Measure.CPU, Against.RATIO, 1.03, "the first goal"))
_ADDED_START_UP = Goal(Measure.WALL, Against.DIFFERENCE, 0.005)
_ADDED_MEMORY = Goal(Measure.PEAK, Against.DIFFERENCE, 5e6)


def whole_check(folder: Path, alone: Environment, with_plugin: Environment, *, rounds: int) -> Scenario:
    """Check every file below `folder` with flake8's default rules, in one process."""
    return Scenario(
        title="flake8 with / without: the corpus",
        folder=folder,
        baseline=alone.flake8("."),
        subject=with_plugin.flake8("."),
        rounds=rounds,
        shown=(Measure.CPU, Measure.WALL, Measure.PEAK),
        goals=(*_ADDED_CPU, _ADDED_MEMORY),
    )


def start_up(folder: Path, alone: Environment, with_plugin: Environment, *, rounds: int) -> Scenario:
    """Check the file `LINE` in `folder`: what every run of flake8 pays."""
    return Scenario(
        title="flake8 with / without: one line",
        folder=folder,
        baseline=alone.flake8(LINE),
        subject=with_plugin.flake8(LINE),
        rounds=rounds,
        shown=(Measure.CPU, Measure.WALL),
        goals=(_ADDED_START_UP,),
    )


def count_added_reports(scenario: Scenario) -> int:
    """Run both sides once, untimed, and return how many reports the plugin adds.

    It is the warm-up too: bytecode is written and the files are in memory afterwards.
    Raises `RunError` if the sides differ in anything but the plugin's own reports.
    """
    baseline = tuple(_reports(scenario.baseline, scenario.folder))
    subject = tuple(_reports(scenario.subject, scenario.folder))
    others = tuple(line for line in subject if not _OUR_CODE.search(line))
    if others != baseline:
        raise RunError(
            "with the plugin flake8's other reports are not the same: "
            f"{min(set(others) ^ set(baseline), default='their order differs')}"
        )
    return len(subject) - len(others)


def _reports(command: tuple[str, ...], folder: Path) -> Iterator[str]:
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # stdout=PIPE
        yield from process.stdout
    if process.returncode not in (0, 1):
        raise RunError(f"status {process.returncode} from {' '.join(command)}")
