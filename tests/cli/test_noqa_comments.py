"""`# noqa` silences for these commands exactly what it silences for flake8."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

CALL = 'subprocess.call(["ls"], stdout=subprocess.PIPE)'
SOURCES = {
    "plain": CALL,
    "all": f"{CALL}  # noqa",
    "code": f"{CALL}  # noqa: FRK104",
    "code without space": f"{CALL}  # noqa:FRK104",
    "several codes": f"{CALL}  # noqa: E501,FRK104",
    "codes with spaces": f"{CALL}  # noqa: E501, FRK104 because",
    "prefix": f"{CALL}  # noqa: FRK1",
    "another code": f"{CALL}  # noqa: FRK101",
    "small letters": f"{CALL}  # NoQA: frk104",
    "behind another comment": f"{CALL}  # pragma: no cover # noqa: FRK104",
    "without a hash": f"{CALL}  # see noqa",
    "on the next line": f"{CALL}\n# noqa",
    "on the last line of the statement": "subprocess.call(\n    [],\n    stdout=subprocess.PIPE,\n)  # noqa: FRK104",
    "on a middle line of the statement": 'subprocess.call(\n    ["ls"],\n    stdout=subprocess.PIPE,  # noqa\n)',
    "in a string of the statement": f'{CALL[:-1]}, input="""\n# noqa: FRK104\n""")',
    "continued line": 'x = \\\n    subprocess.call(["ls"], stdout=subprocess.PIPE)  # noqa',
    "file": f"# flake8: noqa\n{CALL}",
    "file in capitals, at the end": f"{CALL}\n# FLAKE8: NOQA",
    "file for one code is no file comment": f"{CALL}\n# flake8: noqa: FRK104",
    "file comment behind code": f"{CALL}  # flake8: noqa",
    "form feed": f"\f\n{CALL}  # noqa",
    "windows": f"x = 1\r\n{CALL}  # noqa: FRK104\r\n{CALL}\r\n",
    "not ascii": f'"ä😀"; {CALL}  # noqa: FRK104',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noqa")
    for number, text in enumerate(SOURCES.values()):
        (folder / f"case{number}.py").write_bytes(f"import subprocess\n\n{text}\n".encode())
    return folder


def found(folder: Path, command: list[str | Path]) -> dict[str, list[str]]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    lines = done.stdout.splitlines()
    return {
        reason: [" ".join(line.split()[:2]).removeprefix("./") for line in lines if f"case{number}.py:" in line]
        for number, reason in enumerate(SOURCES)
    }


def test_it_means_what_it_means_to_flake8(folder: Path) -> None:
    ours = found(folder, [Path(sys.executable).parent / "forksafe", "--output-format=concise", "."])
    theirs = found(folder, [sys.executable, "-m", "flake8", "--select=FRK", "."])
    assert ours == theirs
    assert ours["plain"]
    assert ours["another code"]
    assert not ours["code"]
    assert ours["on the last line of the statement"]
    assert not ours["in a string of the statement"]
