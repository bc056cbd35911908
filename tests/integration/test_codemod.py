"""The fixes through libcst's own codemod tool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = "flake8_forksafe.fixing.command.FixHazards"


def test_the_tool_of_libcst_makes_the_safe_fixes(tmp_path: Path) -> None:
    file = tmp_path / "quiet.py"
    file.write_text('import subprocess\n\nsubprocess.call(["true"], stdout=subprocess.PIPE)\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "libcst.tool", "codemod", "--no-format", "-x", COMMAND, str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert file.read_text(encoding="utf-8").endswith('subprocess.call(["true"], stdout=subprocess.DEVNULL)\n')
