"""The default of the target version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from flake8.options.parse_args import parse_args

from flake8_forksafe import target_version
from flake8_forksafe.plugin import settings

RUNNING = sys.version_info[:2]


def pyproject(directory: Path, requirement: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_text(f"[project]\nrequires-python = '{requirement}'\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("requirement", "lowest"),
    [
        (">=3.9", (3, 9)),
        (">=3.9.7", (3, 9)),
        (">3.9", (3, 9)),
        (">3.9.99", (3, 9)),
        (">=3.9,!=3.9.*", (3, 10)),
        ("~=3.10", (3, 10)),
        ("==3.12.*", (3, 12)),
        ("==3.12.4", (3, 12)),
        (">=2.7,!=3.0.*,!=3.1.*", (3, 2)),
        ("<4", (3, 0)),
        (">=3.14", (3, 14)),
    ],
)
def test_lowest_admitted_minor(tmp_path: Path, requirement: str, lowest: tuple[int, int]) -> None:
    pyproject(tmp_path, requirement)
    assert target_version.default(str(tmp_path)) == lowest


@pytest.mark.parametrize("requirement", ["", "newer than mine", "<3", ">=4"])
def test_a_requirement_that_names_no_python_3_says_nothing(tmp_path: Path, requirement: str) -> None:
    pyproject(tmp_path, requirement)
    assert target_version.default(str(tmp_path)) == RUNNING


@pytest.mark.parametrize("text", ["", "[project", "project = 3\n", "[project]\nrequires-python = 3\n", "\0"])
def test_a_file_without_requirement_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert target_version.default(str(tmp_path)) == RUNNING


def test_the_nearest_project_counts(tmp_path: Path) -> None:
    pyproject(tmp_path, ">=3.9")
    pyproject(tmp_path / "inner", ">=3.13")
    (tmp_path / "inner" / "src").mkdir()
    (tmp_path / "other").mkdir()
    assert target_version.default(str(tmp_path / "inner" / "src")) == (3, 13)
    assert target_version.default(str(tmp_path / "other")) == (3, 9)


class TestInFlake8:
    """What the plugin makes of flake8's options."""

    @staticmethod
    def target(*arguments: str) -> tuple[int, int]:
        _, options = parse_args(arguments)
        return settings(options).target_version

    def test_the_option_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(tmp_path, ">=3.9")
        monkeypatch.chdir(tmp_path)
        assert self.target("--forksafe-target-version=3.13", ".") == (3, 13)

    def test_the_first_path_tells_the_project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(tmp_path / "lib", ">=3.12")
        pyproject(tmp_path, ">=3.9")
        (tmp_path / "lib" / "job.py").touch()
        monkeypatch.chdir(tmp_path)
        assert self.target() == (3, 9)
        assert self.target("lib/job.py", ".") == (3, 12)
        assert self.target("lib") == (3, 12)
        assert self.target("missing/job.py") == (3, 9)

    def test_standard_input_is_where_its_name_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(tmp_path / "lib", ">=3.12")
        pyproject(tmp_path, ">=3.9")
        monkeypatch.chdir(tmp_path)
        assert self.target("-") == (3, 9)
        assert self.target("--stdin-display-name=lib/job.py", "-") == (3, 12)

    def test_the_configuration_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".flake8").write_text("[flake8]\nforksafe-target-version = 3.10\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        assert self.target() == (3, 10)
