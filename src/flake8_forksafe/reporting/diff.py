"""Unified diffs that `git apply` and `patch` take, in the encoding and with the newlines of the file."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from difflib import diff_bytes, unified_diff

from flake8_forksafe.reporting.colour import Colour, printable


def unified(old: bytes, new: bytes, path: bytes) -> bytes:
    """Return the changes from `old` to `new`; nothing if there are none."""
    name = os.path.relpath(path) if os.path.isabs(path) else os.path.normpath(path)  # noqa: PTH117 - bytes
    if os.name == "nt":
        name = name.replace(b"\\", b"/")
    lines = diff_bytes(
        unified_diff, io.BytesIO(old).readlines(), io.BytesIO(new).readlines(), b"a/" + name, b"b/" + name
    )
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


def coloured(diff: bytes) -> Iterator[str]:
    """Yield the lines of `diff` for a terminal."""
    for line in diff.decode("utf-8", errors="replace").split("\n")[:-1]:
        text = printable(line.removesuffix("\r"))
        match = re.match(r"(?P<file>---|\+\+\+)|(?P<hunk>@@)|(?P<old>-)|(?P<new>\+)", line)
        kind = match.lastgroup if match is not None else None
        colour = {"file": Colour.PATH, "hunk": Colour.HEADING, "old": Colour.BAD, "new": Colour.GOOD}.get(kind or "")
        yield colour.paint(text, colours=True) if colour is not None else text
