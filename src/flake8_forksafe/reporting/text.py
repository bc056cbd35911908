"""Each finding with its source line, the span underlined, and the places that explain it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from flake8_forksafe.fix import Safety
from flake8_forksafe.reporting.colour import Colour, printable
from flake8_forksafe.reporting.concise import heading
from flake8_forksafe.reporting.outcome import Entry, Outcome, Place

#: Characters of a source line that are shown; of a longer one, the part around the span.
_WIDTH = 160


def render(outcomes: Sequence[Outcome], *, colours: bool) -> Iterator[str]:
    """Yield the lines."""
    for outcome in outcomes:
        for entry in outcome.left:
            yield heading(outcome.path, entry, colours=colours)
            yield from _body(entry, colours=colours)
            yield ""


def _body(entry: Entry, *, colours: bool) -> Iterator[str]:
    places = [entry.place, *(related.place for related in entry.related)]
    gutter = len(str(max(place.line for place in places)))
    yield from _excerpt(entry.place, gutter, "^", colours=colours)
    for related in entry.related:
        yield f"{' ' * gutter} = {printable(related.message)}"
        yield from _excerpt(related.place, gutter, "-", colours=colours)
    match entry.safety:
        case Safety.SAFE:
            yield f"{' ' * gutter} = fix: {entry.title} (forksafe-fix)"
        case Safety.UNSAFE:
            yield f"{' ' * gutter} = fix: {entry.title} (forksafe-fix --unsafe-fixes)"
        case None:
            pass


def _excerpt(place: Place, gutter: int, mark: str, *, colours: bool) -> Iterator[str]:
    if not place.text.strip():
        return
    bar = Colour.FAINT.paint("|", colours=colours)
    start = place.column - 1
    end = place.end_column - 1 if place.end_line == place.line else len(place.text)
    skipped = max(0, start - _WIDTH // 2) if len(place.text) > _WIDTH else 0
    text = place.text[skipped : skipped + _WIDTH]
    before, marked = text[: start - skipped], text[start - skipped : end - skipped]
    indent = "".join("\t" if char == "\t" else " " * _cells(char) for char in printable(before))
    underline = mark * max(1, sum(map(_cells, printable(marked))))
    yield f"{place.line:>{gutter}} {bar} {'…' if skipped else ''}{printable(text)}"
    yield f"{' ' * gutter} {bar} {' ' if skipped else ''}{indent}{Colour.MARK.paint(underline, colours=colours)}"


def _cells(char: str) -> int:
    """Return how many columns of a terminal `char` takes."""
    if char.isascii():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
