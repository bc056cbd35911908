"""Colours, for terminals only."""

from __future__ import annotations

import os
from enum import Enum
from typing import TextIO


class Colour(Enum):
    """What a piece of output is, and its ANSI code."""

    PATH = "1"
    CODE = "1;31"
    GOOD = "32"
    BAD = "31"
    MARK = "1;33"
    FAINT = "2"
    HEADING = "36"

    def paint(self, text: str, *, colours: bool) -> str:
        """Return `text` in this colour if `colours` are wanted."""
        return f"\x1b[{self.value}m{text}\x1b[0m" if colours and text else text


def wanted(stream: TextIO) -> bool:
    """Return whether `stream` gets colours: terminals do, unless NO_COLOR is set; with FORCE_COLOR pipes do too."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """Return `text` without the characters that would steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
