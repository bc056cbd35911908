"""One line per finding, as flake8 prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flake8_forksafe.reporting.colour import Colour, printable
from flake8_forksafe.reporting.outcome import Entry, Outcome


def render(outcomes: Sequence[Outcome], *, colours: bool) -> Iterator[str]:
    """Yield the lines."""
    for outcome in outcomes:
        for entry in outcome.left:
            yield heading(outcome.path, entry, colours=colours)


def heading(path: str, entry: Entry, *, colours: bool) -> str:
    """Return `path:line:column: code message`."""
    place = f"{Colour.PATH.paint(printable(path), colours=colours)}:{entry.place.line}:{entry.place.column}:"
    return f"{place} {Colour.CODE.paint(entry.code, colours=colours)} {printable(entry.message)}"
