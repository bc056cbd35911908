"""The scenarios that ask how long ``forksafe`` takes to start: short runs, many rounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.corpus import give_project_file
from benchmarks.speed.environments import Environment
from benchmarks.speed.measure import Against, Goal, Measure, Scenario

LINE, HARMLESS, HAZARD = "one_line.py", "harmless.py", "hazard.py"

_SOURCES = {
    LINE: "VALUE = 1\n",
    HARMLESS: "import subprocess\n\ndone = subprocess.run(['ls'], check=True, capture_output=True)\n",
    HAZARD: "import subprocess\n\np = subprocess.Popen(['ls'], stdout=subprocess.PIPE)\np.wait()\n",
}
_SMALLEST = ("-c", "import argparse, ast")  # what no checker with options can do without
_GOALS = (Goal(Measure.CPU, Against.RATIO, 2.0), Goal(Measure.WALL, Against.RATIO, 2.0))


def prepare(folder: Path) -> None:
    """Make `folder` a project with three files: without a child, with one that is treated well, and with a hazard."""
    folder.mkdir(parents=True, exist_ok=True)
    give_project_file(folder)
    for name, source in _SOURCES.items():
        (folder / name).write_text(source, encoding="utf-8")


def starts(folder: Path, ours: Environment, *, rounds: int) -> Iterator[Scenario]:
    """Yield the runs of ``forksafe`` in the prepared `folder`, against a Python that imports two modules."""
    for title, goals in (("--version", _GOALS), (LINE, _GOALS), (HARMLESS, ()), (HAZARD, ())):
        yield Scenario(
            title=f"forksafe {title} / two imports",
            folder=folder,
            baseline=(str(ours.python), *_SMALLEST),
            subject=ours.script("forksafe", title),
            rounds=rounds,
            shown=(Measure.CPU, Measure.WALL),
            goals=goals,
        )
