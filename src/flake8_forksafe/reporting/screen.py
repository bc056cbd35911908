"""What the output goes to."""

from __future__ import annotations

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
        return cls(colour.wanted(stream), _columns() if stream.isatty() else None)


def _columns() -> int:
    import shutil  # late: most output goes elsewhere

    return shutil.get_terminal_size().columns
