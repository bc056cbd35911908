"""The command for libcst's own codemod tool, run as the documentation says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "fixing.md"
HIT = 'import subprocess\n\nsubprocess.call(["make"], stdout=subprocess.PIPE)\n'
SILENCED = 'import subprocess\n\nsubprocess.call(["make"], stdout=subprocess.PIPE)  # noqa: FRK104\n'
SHELL = """\
import subprocess

shell = subprocess.Popen("make | tee log", shell=True)
shell.kill()
shell.wait()
"""


def codemod(directory: Path, *options: str) -> str:
    """Run the documented command over `directory`, and return what it says."""
    (documented,) = re.findall(
        r"^python (-m libcst\.tool codemod .*) PATH …$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    command = [sys.executable, *shlex.split(documented), *options, "."]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_documented_command_fixes_the_files_below_a_folder(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(HIT, encoding="utf-8")
    assert "Transformed 2 files successfully" in codemod(tmp_path)
    fixed = HIT.replace("subprocess.PIPE", "subprocess.DEVNULL")
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("one.py", "two.py")] == [fixed, fixed]


@pytest.mark.parametrize(
    ("source", "configuration"),
    [
        pytest.param(SILENCED, "", id="a comment silences it"),
        pytest.param(HIT, 'ignore = ["FRK104"]', id="the code is ignored"),
        pytest.param(HIT, 'exclude = ["hit.py"]', id="the file is excluded"),
        pytest.param(SHELL, "", id="the fix is unsafe"),
    ],
)
def test_what_forksafe_fix_leaves_alone_is_left_alone(source: str, configuration: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.forksafe]\n{configuration}\n", encoding="utf-8")
    (tmp_path / "hit.py").write_text(source, encoding="utf-8")
    codemod(tmp_path)
    assert (tmp_path / "hit.py").read_text(encoding="utf-8") == source


def test_unsafe_fixes_are_made_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "hit.py").write_text(SHELL, encoding="utf-8")
    codemod(tmp_path, "--unsafe-fixes")
    assert "os.killpg(shell.pid, signal.SIGKILL)" in (tmp_path / "hit.py").read_text(encoding="utf-8")


def test_a_configuration_that_makes_no_sense_skips_the_file_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.forksafe]\nselct = []\n", encoding="utf-8")
    (tmp_path / "hit.py").write_text(HIT, encoding="utf-8")
    assert "has no key 'selct'" in codemod(tmp_path)
    assert (tmp_path / "hit.py").read_text(encoding="utf-8") == HIT
