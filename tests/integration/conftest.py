"""What the tests with other programs share: the recipes of docs/integrations.md, and a project with a hazard."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "integrations.md"
BIN = Path(sys.executable).parent

HIT = """\
import subprocess


def build() -> int:
    make = subprocess.Popen(["make"], stdout=subprocess.PIPE)
    return make.wait()
"""


class Block(NamedTuple):
    """A fenced block of the page, with the heading it stands under."""

    heading: str
    language: str
    text: str


def blocks() -> list[Block]:
    """Return the fenced blocks of the page in order."""
    result = []
    heading = ""
    pattern = re.compile(r"^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
    for title, language, text in pattern.findall(PAGE.read_text(encoding="utf-8")):
        if title:
            heading = title
        else:
            result.append(Block(heading, language, text))
    return result


@pytest.fixture(scope="session")
def page_blocks() -> list[Block]:
    return blocks()


@pytest.fixture
def documented() -> Callable[[str, str], str]:
    """Return the first block of a language under a heading of the page."""

    def find(heading: str, language: str) -> str:
        return next(block.text for block in blocks() if (block.heading, block.language) == (heading, language))

    return find


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one hazard, FRK101 in line 6, column 12 of src/build.py."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "build.py").write_text(HIT, encoding="utf-8")
    (folder / "src" / "clean.py").write_text("print()\n", encoding="utf-8")
    return folder


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program in a folder; the programs of this environment come first on its path."""

    def run(
        folder: Path, *command: str | Path, timeout: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PIP_REQUIRE"))}
        return subprocess.run(
            command,
            cwd=folder,
            env=inherited | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"} | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This package, built as users get it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT],
        check=True,
        timeout=300,
    )
    (file,) = folder.glob("*.whl")
    return file
