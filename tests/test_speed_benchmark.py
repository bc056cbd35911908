"""The speed benchmark takes the archives it names, judges its goals rightly and has a place for all its results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import generated, pinned
from benchmarks.speed import command_start, fix_cost, run, table
from benchmarks.speed.corpus import Kind
from benchmarks.speed.environments import Environment
from benchmarks.speed.measure import Against, Comparison, Goal, Measure, RunError, Scenario, compare

HERE = Environment(Path(sys.executable))
PYTHON = (sys.executable, "-I", "-S", "-c")
SLEEP = "import time; time.sleep(0.2)"


def scenario(*goals: Goal, subject: str = "pass", besides: tuple[str, ...] = ()) -> Scenario:
    shown = (Measure.WALL,)
    return Scenario("title", Path.cwd(), (*PYTHON, "pass"), (*PYTHON, subject), 1, shown, goals, besides)


def test_what_runs_besides_the_baseline_counts_with_it() -> None:
    (comparison,) = compare(scenario(besides=(*PYTHON, SLEEP)))

    assert comparison.baseline > 0.2


def test_a_command_that_fails_gives_no_figures() -> None:
    with pytest.raises(RunError, match="status 3"):
        tuple(compare(scenario(subject="raise SystemExit(3)")))


def test_each_goal_has_a_line_and_is_judged_by_itself() -> None:
    near, far = Goal(Measure.WALL, Against.RATIO, 1.01), Goal(Measure.WALL, Against.RATIO, 1.03, "at first")
    comparison = Comparison(scenario(near, far), Measure.WALL, 2.0, 2.04, 0.04, 1.02, (1.0, 1.1))

    first, second = list(table.text([comparison]))[1:]

    assert first.split()[-3:] == ["<=", "1.010", "NO"]
    assert second.split() == ["at", "first:", "<=", "1.030", "yes"]


def test_the_files_to_repair_are_those_that_forksafe_fix_changes(tmp_path: Path) -> None:
    command_start.prepare(tmp_path)
    (tmp_path / "hazard.py").write_text("import subprocess\nsubprocess.call(['ls'], stdout=subprocess.PIPE)\n")

    assert fix_cost.changed_files(tmp_path, HERE) == ("hazard.py",)


def test_the_two_files_of_the_start_up_are_what_their_names_say(tmp_path: Path) -> None:
    command_start.prepare(tmp_path)
    statuses = {
        name: subprocess.run(HERE.script("forksafe", name), cwd=tmp_path, check=False, capture_output=True).returncode
        for name in (command_start.LINE, command_start.HAZARD)
    }

    assert statuses == {"one_line.py": 0, "hazard.py": 1}


def test_every_part_has_its_place_on_the_page() -> None:
    text = (pinned.PROJECT / "docs" / "performance.md").read_text(encoding="utf-8")

    assert generated.insert(text, dict.fromkeys(run.PARTS, "new")).count("\nnew\n") == len(run.PARTS)


@pytest.mark.parametrize("kind", Kind)
def test_each_pinned_archive_is_a_wheel_of_the_package_and_version_it_stands_for(kind: Kind) -> None:
    pins = pinned.read_pins(kind.value)

    for pin in pins:
        assert pin.archive.startswith(pin.requirement.replace("-", "_").replace("==", "-") + "-")
        assert pin.archive.endswith(".whl")
    assert len({pin.package for pin in pins}) == len(pins)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a-1-py2.py3-none-any.whl", "--implementation py --abi none --platform any"),
        (
            "a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "--implementation cp --abi cp311 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64",
        ),
    ],
)
def test_pip_is_asked_for_the_very_wheel(name: str, options: str) -> None:
    assert " ".join(pinned.wheel_options(name)).endswith(options)
