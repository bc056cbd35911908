"""ruff leaves our noqa comments alone when it is told that FRK codes are someone else's."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Documented = Callable[[str, str], str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="needs ruff"),
]

SILENCED = "import subprocess\n\nsubprocess.call(['make'], stdout=subprocess.PIPE)  # noqa: FRK104\n"
RUFF = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=RUF100,RUF102"]


@pytest.fixture
def silenced(tmp_path: Path) -> Path:
    """A folder with a finding that a comment silences."""
    (tmp_path / "silenced.py").write_text(SILENCED, encoding="utf-8")
    return tmp_path


def test_without_the_setting_ruff_deletes_the_comment(silenced: Path, run: Run) -> None:
    (silenced / "ruff.toml").touch()
    reported = run(silenced, *RUFF)
    assert reported.returncode == 1
    assert "FRK104" in reported.stdout
    assert run(silenced, *RUFF, "--fix").returncode == 0
    assert "noqa" not in (silenced / "silenced.py").read_text(encoding="utf-8")
    assert "FRK104" in run(silenced, sys.executable, "-m", "flake8", "--select=FRK", ".").stdout


def test_with_the_setting_ruff_keeps_the_comment(silenced: Path, documented: Documented, run: Run) -> None:
    (silenced / "pyproject.toml").write_text(documented("ruff", "toml"), encoding="utf-8")
    done = run(silenced, *RUFF, "--fix")
    assert done.returncode == 0, done.stdout
    assert (silenced / "silenced.py").read_text(encoding="utf-8") == SILENCED
    assert run(silenced, sys.executable, "-m", "flake8", "--select=FRK", ".").stdout == ""


def test_with_the_setting_ruff_still_removes_its_own_code_from_a_shared_comment(
    silenced: Path, documented: Documented, run: Run
) -> None:
    (silenced / "pyproject.toml").write_text(documented("ruff", "toml"), encoding="utf-8")
    (silenced / "silenced.py").write_text(SILENCED.replace("FRK104", "E501, FRK104"), encoding="utf-8")
    assert run(silenced, *RUFF, "--extend-select=E501", "--fix").returncode == 0
    assert (silenced / "silenced.py").read_text(encoding="utf-8") == SILENCED
