"""The real files that are checked: pinned packages from PyPI, only their ``.py``."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pinned import ArchiveError, Pin, obtain, python_members, read_pins

_PINS = Path(__file__).resolve().parent / "pins.txt"

# A checked project has one; the plugin reads the target version from it.
_PYPROJECT = '[project]\nname = "corpus"\nversion = "0"\nrequires-python = ">=3.11"\n'


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of Python files, with its size for the table."""

    folder: Path
    files: int
    lines: int
    size: int  # bytes

    def __str__(self) -> str:
        return f"{self.files:,} files, {self.lines:,} lines, {self.size / 1e6:.1f} MB in {self.folder}"


def build(destination: Path, packages: Collection[str] = ()) -> Corpus:
    """Make ``destination/corpus`` anew from the pinned archives.

    `packages` limits it to those of the pins file (empty: all of them). Raises
    `ArchiveError` for an archive that cannot be had and for an unknown package.
    """
    folder = destination / "corpus"
    shutil.rmtree(folder, ignore_errors=True)
    sizes = tuple(_write(folder, destination, _chosen(packages)))
    (folder / "pyproject.toml").write_text(_PYPROJECT, encoding="utf-8")
    return Corpus(
        folder=folder,
        files=len(sizes),
        lines=sum(lines for lines, _ in sizes),
        size=sum(size for _, size in sizes),
    )


def _chosen(packages: Collection[str]) -> tuple[Pin, ...]:
    pins = read_pins(_PINS)
    if unknown := set(packages) - {pin.package for pin in pins}:
        raise ArchiveError(f"not in {_PINS}: {', '.join(sorted(unknown))}")
    return tuple(pin for pin in pins if not packages or pin.package in packages)


def _write(folder: Path, destination: Path, pins: tuple[Pin, ...]) -> Iterator[tuple[int, int]]:
    for pin in pins:
        archive = obtain(pin, destination / ".archives")
        for name, content in python_members(archive).items():
            target = folder / pin.package / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            yield content.count(b"\n"), len(content)
