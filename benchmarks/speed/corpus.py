"""The real files that are checked: pinned packages from PyPI, only their ``.py``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.pinned import ArchiveError, Pin, obtain, python_members, read_pins

_HERE = Path(__file__).resolve().parent

# What begins with a dot is passed over by some linters and not by others.
_HIDDEN = re.compile(r"(?:^|/)\.")

# A checked project has one; the plugin and the commands read the target version from it.
_PYPROJECT = '[project]\nname = "corpus"\nversion = "0"\nrequires-python = ">=3.11"\n'


class Kind(Enum):
    """Which packages; the value is their pins file."""

    SMALL = _HERE / "pins.txt"
    LARGE = _HERE / "pins-large.txt"


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of Python files, with its size for the table."""

    folder: Path
    packages: int
    files: int
    lines: int
    size: int  # bytes

    @classmethod
    def of(cls, folder: Path) -> Corpus:
        """Count what is in `folder`, where each package has a folder of its own."""
        files = lines = size = 0
        for path in folder.rglob("*.py"):
            content = path.read_bytes()
            files, lines, size = files + 1, lines + content.count(b"\n"), size + len(content)
        return cls(folder, sum(entry.is_dir() for entry in folder.iterdir()), files, lines, size)

    def __str__(self) -> str:
        return f"{self.files:,} files of {self.packages} packages, {self.lines:,} lines, {self.size / 1e6:.1f} MB"


def build(kind: Kind, destination: Path, packages: Collection[str] = ()) -> Corpus:
    """Make the corpus anew, in a folder of `destination`, from the pinned archives.

    `packages` limits it to those of the pins files (empty: all of them). Raises
    `ArchiveError` for an archive that cannot be had, for an unknown package, and where
    no package is left.
    """
    folder = destination / f"corpus-{kind.name.lower()}"
    shutil.rmtree(folder, ignore_errors=True)
    for pin in _chosen(kind, packages):
        _extract(pin, destination, folder)
    give_project_file(folder)
    return Corpus.of(folder)


def give_project_file(folder: Path) -> None:
    """Make `folder` a project, so that no option is read from the folders around it."""
    (folder / "pyproject.toml").write_text(_PYPROJECT, encoding="utf-8")


def _chosen(kind: Kind, packages: Collection[str]) -> tuple[Pin, ...]:
    known = {pin.package for other in Kind for pin in read_pins(other.value)}
    if unknown := set(packages) - known:
        raise ArchiveError(f"in no pins file: {', '.join(sorted(unknown))}")
    pins = tuple(pin for pin in read_pins(kind.value) if not packages or pin.package in packages)
    if not pins:
        raise ArchiveError(f"none of these is in {kind.value}; name one that is, or leave the part out with --only")
    return pins


def _extract(pin: Pin, destination: Path, folder: Path) -> None:
    for name, content in python_members(obtain(pin, destination / ".archives")):
        if _HIDDEN.search(name):
            continue
        target = folder / pin.package / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
