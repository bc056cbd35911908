"""What docs/adopting.md shows is what the commands print on the bundled example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adopting.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "examples" / "build_agent", tmp_path / "build_agent")


def printed(command: str, folder: Path) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    arguments = ["bash", "-c", f"{command} 2>&1"]
    return subprocess.run(
        arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=60
    ).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="runs the commands in a POSIX shell")
def test_the_commands_print_what_the_page_shows(project: Path) -> None:
    steps = re.findall(r"^\$ (.+)\n((?:(?!\$ |```).*\n)+)", PAGE, re.MULTILINE)
    assert len(steps) == 3
    for command, shown in steps:
        assert printed(command, project) == shown
    (entry,) = re.findall(r'^(\{"path": .+\})$', PAGE, re.MULTILINE)
    assert entry in (project / "forksafe-baseline.json").read_text(encoding="utf-8")


def test_the_diff_is_the_one_that_is_written(project: Path) -> None:
    (shown,) = re.findall(r"```diff\n(.+?)```", PAGE, re.DOTALL)
    assert shown in printed("forksafe --quiet --diff .", project)
