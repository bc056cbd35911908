"""The commands as a user runs them: the installed scripts, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
HIT = """\
import subprocess

subprocess.check_call(["rsync"], stdout=subprocess.PIPE)
"""
FIXED = HIT.replace("subprocess.PIPE", "subprocess.DEVNULL")
UNFIXABLE = """\
import subprocess

subprocess.run("make | tee log", shell=True, timeout=60, capture_output=True)
"""
CLEAN = "import subprocess\n\nsubprocess.run(['make'], check=True)\n"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def run_script(
    name: str, directory: Path, *arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts in `directory`; it must never print a traceback."""
    done = subprocess.run(
        [BIN / name, *arguments],
        cwd=directory,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        | (env or {}),
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode()
    )


@pytest.fixture
def forksafe(project: Path) -> Command:
    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return run_script("forksafe", project, *arguments, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def forksafe_fix(project: Path) -> Command:
    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return run_script("forksafe-fix", project, *arguments, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a file that can be fixed, one that is correct, and a pyproject.toml of its own."""
    (tmp_path / "pyproject.toml").write_text("[tool.forksafe]\ntarget-version = '3.11'\n", encoding="utf-8")
    (tmp_path / "hit.py").write_text(HIT, encoding="utf-8")
    (tmp_path / "clean.py").write_text(CLEAN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def source() -> Callable[[str], str]:
    """The sources the tests are made of, by name."""
    return {"hit": HIT, "fixed": FIXED, "unfixable": UNFIXABLE, "clean": CLEAN}.__getitem__
