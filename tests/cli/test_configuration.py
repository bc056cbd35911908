"""`[tool.forksafe]`, and what of flake8's own configuration counts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flake8_forksafe import config, registry
from flake8_forksafe.codes import PerFileIgnore, Selection
from flake8_forksafe.config import ConfigError

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Text = Callable[[str], str]


def configure(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.forksafe]\n{text}\n", encoding="utf-8")


def test_every_key_is_read(project: Path) -> None:
    configure(
        project,
        "target-version = '3.9'\nthread-starters = ['a.b']\nprocess-factories = ['c.d']\ngrace-period = 2\n"
        "select = ['FRK1']\nextend-select = ['FRK507']\nignore = ['FRK104']\nexclude = ['gen', 'a/b']\n"
        "unsafe-fixes = true\noutput-format = 'json'\njobs = 3\n[tool.forksafe.per-file-ignores]\n'tests/*' = ['FRK2']",
    )
    read = config.read([str(project)])
    assert read == config.Config(
        file=str(project / "pyproject.toml"),
        target_version=(3, 9),
        thread_starters=frozenset({"a.b"}),
        process_factories=frozenset({"c.d"}),
        grace_period=2.0,
        selection=Selection(
            select=("FRK1",),
            extend_select=("FRK507",),
            ignore=("FRK104",),
            per_file_ignores=(PerFileIgnore(f"{project}/tests/*", ("FRK2",)),),
        ),
        exclude=("gen", f"{project}/a/b"),
        unsafe_fixes=True,
        output_format="json",
        jobs=3,
    )


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key in config._KEYS:
        assert f"### {key}" in page, key


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("selct = ['FRK1']", "[tool.forksafe] has no key 'selct'; the nearest is 'select'"),
        ("target_version = '3.11'", "[tool.forksafe] has no key 'target_version'; the nearest is 'target-version'"),
        ("select = ['FRK999']", "select in [tool.forksafe]: unknown code 'FRK999'; the nearest is FRK"),
        ("ignore = ['E501']", "ignore in [tool.forksafe]: unknown code 'E501'; the nearest is FRK5"),
        ("extend-select = 'FRK507'", "extend-select in [tool.forksafe]: 'FRK507' is no list of texts"),
        ("per-file-ignores = {'a.py' = ['FRK9']}", "per-file-ignores in [tool.forksafe]: unknown code 'FRK9'"),
        ("per-file-ignores = ['a.py:FRK1']", "per-file-ignores in [tool.forksafe]: ['a.py:FRK1'] is no table"),
        ("target-version = 3.11", "target-version in [tool.forksafe]: 3.11 is no version"),
        ("grace-period = true", "grace-period in [tool.forksafe]: True is no number of seconds"),
        ("grace-period = -1", "grace-period in [tool.forksafe]: -1 is no number of seconds"),
        ("jobs = 0", "jobs in [tool.forksafe]: 0 is no number of processes"),
        ("unsafe-fixes = 'yes'", "unsafe-fixes in [tool.forksafe]: 'yes' is neither true nor false"),
        ("output-format = 'xml'", "output-format in [tool.forksafe]: 'xml' is no output format; write one of text"),
        ("thread-starters = ['spawn()']", "thread-starters in [tool.forksafe]: 'spawn()' is no dotted name"),
        ("exclude = [1]", "exclude in [tool.forksafe]: [1] is no list of texts"),
        ("select = [", "not valid TOML"),
    ],
)
def test_what_makes_no_sense_is_one_line_that_names_file_and_key(
    project: Path, forksafe: Command, line: str, said: str
) -> None:
    configure(project, line)
    done = forksafe(".")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"forksafe: pyproject.toml: {said}"), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_tool_forksafe_that_is_no_table(project: Path, forksafe: Command) -> None:
    (project / "pyproject.toml").write_text("[tool]\nforksafe = 1\n", encoding="utf-8")
    assert forksafe(".").stderr == "forksafe: pyproject.toml: tool.forksafe is no table; write [tool.forksafe]\n"


def test_the_nearest_file_above_all_paths_counts(project: Path) -> None:
    configure(project, "jobs = 1")
    (project / "sub" / "deep").mkdir(parents=True)
    configure(project / "sub", "jobs = 2")
    assert config.read([str(project / "sub" / "deep")]).jobs == 2
    assert config.read([str(project / "sub" / "deep"), str(project / "hit.py")]).jobs == 1
    assert config.read([str(project / "sub" / "missing.py")]).jobs == 2


def test_the_command_line_wins(project: Path, forksafe: Command) -> None:
    configure(project, "output-format = 'json'\nignore = ['FRK']")
    assert forksafe("hit.py").returncode == 0
    done = forksafe("--ignore=FRK2", "--output-format=concise", "hit.py")
    assert done.stdout.startswith("hit.py:3:1: FRK104")


def test_the_target_version_comes_from_requires_python_when_nothing_is_said(project: Path, forksafe: Command) -> None:
    (project / "pyproject.toml").write_text("[project]\nrequires-python = '>=3.9'\n", encoding="utf-8")
    assert "oldest Python 3.9," in forksafe("-v", ".").stderr
    assert "oldest Python 3.12," in forksafe("-v", "--target-version=3.12", ".").stderr


class TestSelection:
    """flake8's rules: the longest prefix wins, `ignore` wins a tie, opt-in codes must be named in full."""

    @pytest.mark.parametrize(
        ("selection", "on"),
        [
            (Selection(), ["FRK101", "FRK104"]),
            (Selection(select=("FRK1",)), ["FRK101", "FRK104"]),
            (Selection(select=("FRK2",)), []),
            (Selection(select=("FRK101",)), ["FRK101"]),
            (Selection(ignore=("FRK1",)), []),
            (Selection(ignore=("FRK101",)), ["FRK104"]),
            (Selection(select=("FRK101",), ignore=("FRK1",)), ["FRK101"]),
            (Selection(select=("FRK1",), ignore=("FRK1",)), []),
            (Selection(extend_select=("FRK507",)), ["FRK101", "FRK104", "FRK507"]),
            (Selection(select=("FRK",)), ["FRK101", "FRK104"]),
            (Selection(select=("FRK507",)), ["FRK507"]),
            (Selection(extend_select=("FRK507",), ignore=("FRK507",)), ["FRK101", "FRK104"]),
            (Selection(extend_select=("FRK104",), ignore=("FRK1",)), ["FRK104"]),
        ],
        ids=str,
    )
    def test_it(self, selection: Selection, on: list[str]) -> None:
        rules = [registry.rules()[code] for code in ("FRK101", "FRK104", "FRK507")]
        assert [rule.code for rule in selection.rules(rules, "a.py")] == on


class TestPerFileIgnores:
    def test_by_name_and_by_path(self, project: Path, forksafe: Command, source: Text) -> None:
        (project / "jobs").mkdir()
        (project / "jobs" / "run.py").write_text(source("hit"), encoding="utf-8")
        for pattern, silent in (("run.py", True), ("jobs/*", True), ("jobs/run.py", True), ("other/*", False)):
            configure(project, f"per-file-ignores = {{'{pattern}' = ['FRK104']}}")
            assert (forksafe("jobs").returncode == 0) is silent, pattern

    def test_the_longest_pattern_counts_alone(self, project: Path, forksafe: Command) -> None:
        configure(project, "per-file-ignores = {'*.py' = ['FRK104'], 'hit.*y' = ['FRK2']}")
        assert forksafe("hit.py").returncode == 1

    def test_they_hold_for_fixes_too(self, project: Path, forksafe_fix: Command, source: Text) -> None:
        configure(project, "per-file-ignores = {'hit.py' = ['FRK1']}")
        assert forksafe_fix(".").returncode == 0
        assert (project / "hit.py").read_text(encoding="utf-8") == source("hit")

    @pytest.mark.parametrize("name", ["setup.cfg", "tox.ini", ".flake8"])
    def test_those_of_flake8_count_when_there_are_no_others(self, project: Path, forksafe: Command, name: str) -> None:
        (project / name).write_text("[flake8]\nper-file-ignores =\n    hit.py: E501,FRK1\n", encoding="utf-8")
        assert forksafe(".").returncode == 0
        configure(project, "per-file-ignores = {'clean.py' = ['FRK1']}")
        assert forksafe(".").returncode == 1

    def test_those_of_flake8_that_make_no_sense(self, project: Path, forksafe: Command) -> None:
        (project / ".flake8").write_text("[flake8]\nper-file-ignores = hit.py FRK1\n", encoding="utf-8")
        done = forksafe(".")
        assert (done.returncode, done.stderr.startswith("forksafe: .flake8: per-file-ignores")) == (2, True)


def test_grace_period_and_unsafe_fixes_reach_the_fixes(project: Path, forksafe: Command) -> None:
    (project / "hit.py").write_text(
        "import subprocess\n\n\ndef stop(command):\n    child = subprocess.Popen(command)\n    child.terminate()\n"
        "    child.wait()\n",
        encoding="utf-8",
    )
    configure(project, "")
    if "--unsafe-fixes" not in forksafe("hit.py").stderr:
        pytest.skip("FRK501 has no unsafe fix here")
    assert forksafe("--diff", "hit.py").stdout == ""
    assert "7.5" in forksafe("--diff", "--unsafe-fixes", "--grace-period=7.5", "hit.py").stdout
    configure(project, "unsafe-fixes = true\ngrace-period = 8.5")
    assert "8.5" in forksafe("--diff", "hit.py").stdout
    assert forksafe("--diff", "--no-unsafe-fixes", "hit.py").stdout == ""


def test_an_unreadable_pyproject_is_named(project: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (project / "pyproject.toml").chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        config.read([str(project)])
