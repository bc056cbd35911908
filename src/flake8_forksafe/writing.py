"""Puts a new content in the place of a file so that everyone always sees the old one or the new one, whole."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from flake8_forksafe.signals import signals_held_back

#: The end of the name of the temporary file next to the one that is written. Only a run that is ended by SIGKILL or a
#: power failure leaves one behind; the name starts with a dot, so nothing takes it for source.
SUFFIX = ".forksafe-tmp"


class WriteError(Exception):
    """A file was not written; it is as it was. The message says why, without the file's name."""


def replace(path: str, *, old: bytes, new: bytes) -> None:
    """Replace the content `old` of the file `path` by `new`, in one step.

    The new content is written to a temporary file in the same folder, forced to the disk and renamed over the file.
    Mode, extended attributes, owner and group (as far as the user may set them) stay what they are; of a symbolic link
    the target is replaced. A hard link ends: its other names keep the old content.

    Raises:
        WriteError: the file is no regular file, may not be written, cannot be written, or no longer holds `old`.
    """
    target = Path(path).resolve()
    try:
        before = target.stat()
        if not stat.S_ISREG(before.st_mode):
            raise WriteError("not written: it is no regular file")
        if not os.access(target, os.W_OK):
            raise WriteError("not written: it is read-only")
        with signals_held_back():
            _replace(target, before, old, new)
    except OSError as error:
        raise WriteError(f"not written: {error.strerror or error}") from error


def write(path: str, data: bytes) -> None:
    """Write the file `path`, in one step, whether there is one or not.

    Raises:
        WriteError: as in `replace`, or the folder is missing or may not be written.
    """
    try:
        target = Path(path).resolve()
        if target.is_symlink():  # from Python 3.13 on `resolve` leaves a link that leads to itself as it is
            raise WriteError("not written: it is a symbolic link that leads to itself")
        if target.exists():
            replace(path, old=target.read_bytes(), new=data)
            return
        with signals_held_back():
            _create(target, data)
    except OSError as error:
        raise WriteError(f"not written: {error.strerror or error}") from error
    except RuntimeError as error:  # up to Python 3.12 `resolve` says so of a symbolic link that leads to itself
        raise WriteError(f"not written: {error}") from error


def _create(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}{SUFFIX}")
    try:
        with temporary.open("xb") as file:  # unlike mkstemp, with the mode that every new file gets
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:  # nothing may stay behind, whatever happens
        with suppress(OSError):
            temporary.unlink()
        raise


def _replace(target: Path, before: os.stat_result, old: bytes, new: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=SUFFIX, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new)
            file.flush()
            _take_over(target, before, temporary)
            os.fsync(file.fileno())
        _see_that_it_still_holds(target, before, old)
        temporary.replace(target)
    except BaseException:  # nothing may stay behind, whatever happens
        with suppress(OSError):
            temporary.unlink()
        raise


def _take_over(target: Path, before: os.stat_result, temporary: Path) -> None:
    """Give `temporary` the owner, the group, the mode and the extended attributes of `target`."""
    if hasattr(os, "chown"):
        for user, group in ((before.st_uid, -1), (-1, before.st_gid)):
            with suppress(PermissionError):
                os.chown(temporary, user, group)
    shutil.copystat(target, temporary)  # after chown, which takes setuid away
    os.utime(temporary)  # the content is new: make and others must see that


def _see_that_it_still_holds(target: Path, before: os.stat_result, old: bytes) -> None:
    now = target.stat()
    if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino) or target.read_bytes() != old:
        raise WriteError("not written: someone else has changed it meanwhile; run again")
