"""Archives from PyPI, pinned by version and sha256, downloaded once with pip.

A pins file has one archive per line, three columns::

    celery==5.7.0 celery-5.7.0-py3-none-any.whl sha256:18310a9c...
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

_DOWNLOAD_SECONDS = 600
_WHEEL = ("--only-binary", ":all:", "--python-version", "3.11")
_SDIST = ("--no-binary", ":all:")


class ArchiveError(Exception):
    """An archive or pins file that cannot be used; the message is for people."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One archive: its requirement (``name==version``), file name and sha256 in hex."""

    requirement: str
    archive: str
    sha256: str

    @property
    def package(self) -> str:
        """The name before ``==``."""
        return self.requirement.partition("==")[0]


def read_pins(path: Path) -> tuple[Pin, ...]:
    """Read a pins file; raise `ArchiveError` for a line that is not three columns."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_parse_pin(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip())


def _parse_pin(line: str, place: str) -> Pin:
    match line.split():
        case [requirement, archive, digest] if "==" in requirement and digest.startswith("sha256:"):
            return Pin(requirement, archive, digest.removeprefix("sha256:"))
        case _:
            raise ArchiveError(f"{place}: expected 'name==version archive sha256:hex', got {line!r}")


def obtain(pin: Pin, store: Path) -> Path:
    """Return the pinned archive inside `store`, downloaded if it is not there yet.

    Raises `ArchiveError` when pip cannot get it or its sha256 is not the pinned one.
    """
    store.mkdir(parents=True, exist_ok=True)
    archive = store / pin.archive
    if not archive.exists():
        _download(pin, store)
    if not archive.exists():
        raise ArchiveError(f"MISSING {pin.archive}: pip fetched another file")
    with archive.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != pin.sha256:
        raise ArchiveError(f"ARCHIVE DIFFERS {archive}: not the pinned sha256; delete it and run again")
    return archive


def _download(pin: Pin, store: Path) -> None:
    kind = wheel_options(pin.archive) if pin.archive.endswith(".whl") else _SDIST
    pip = (sys.executable, "-m", "pip", "download", "-qq", "--no-deps")
    try:
        subprocess.run(
            (*pip, "-d", str(store), *kind, pin.requirement),
            check=True,
            timeout=_DOWNLOAD_SECONDS,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise ArchiveError(f"DOWNLOAD FAILED {pin.requirement}: {error}") from error


def wheel_options(name: str) -> tuple[str, ...]:
    """Return what makes pip take the wheel called `name`, whatever machine this is."""
    python, abi, platforms = name.removesuffix(".whl").split("-")[-3:]
    tags = (option for platform in platforms.split(".") for option in ("--platform", platform))
    return (*_WHEEL, "--implementation", python[:2], "--abi", abi, *tags)


def read_member(archive: Path, member: str) -> bytes:
    """Return one file of a wheel or sdist; raise `ArchiveError` if it is not there."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as sdist:
            stream = sdist.extractfile(member)
            if stream is not None:
                return stream.read()
    except KeyError:
        pass
    raise ArchiveError(f"NO SUCH FILE {member} in {archive}")


def python_members(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path inside the wheel and the content of every ``.py`` file of it."""
    with zipfile.ZipFile(wheel) as opened:
        for name in sorted(opened.namelist()):
            if name.endswith(".py"):
                yield name, opened.read(name)


def sha256(data: bytes) -> str:
    """Return the sha256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def default_cache(name: str) -> Path:
    """Return the project's ``.cache/<name>``, made if absent and kept out of git."""
    cache = PROJECT / ".cache"
    (cache / name).mkdir(parents=True, exist_ok=True)
    ignore = cache / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return cache / name
