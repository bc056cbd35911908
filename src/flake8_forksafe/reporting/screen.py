"""What the output goes to."""

from __future__ import annotations

import shutil
from typing import NamedTuple, TextIO

from flake8_forksafe.reporting import colour


class Screen(NamedTuple):
    """A terminal, or something else that text is written to.

    Arguments:
        colours: whether it is sent colours.
        width: how many columns it has; None where lines may be of any length, as in a file or a pipe.
    """

    colours: bool = False
    width: int | None = None

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """Return what `stream` writes to. The environment variable COLUMNS goes before what a terminal says."""
        width = shutil.get_terminal_size().columns if stream.isatty() else None
        return cls(colour.wanted(stream), width)
