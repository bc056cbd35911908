"""Each finding with its source lines, the span underlined, and the places that explain it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flake8_forksafe.reporting.colour import Colour, printable
from flake8_forksafe.reporting.outcome import Entry, Outcome, Place
from flake8_forksafe.reporting.screen import Screen

#: Columns of a source line that are shown where the screen sets no limit; of a longer one, the part around the span.
_WIDTH = 160
#: What a source line is given at least, on however narrow a screen.
_NARROWEST = 20
#: Of a span over more lines than this the first ones and the last one are shown.
_LINES = 4
_TAB = " " * 4
_ELLIPSIS = "..."


def render(outcomes: Sequence[Outcome], *, screen: Screen) -> Iterator[str]:
    """Yield the lines."""
    for outcome in outcomes:
        for entry in outcome.left:
            yield from _heading(outcome.path, entry, screen)
            yield from _body(entry, screen)
            yield ""


def _heading(path: str, entry: Entry, screen: Screen) -> Iterator[str]:
    """Yield `path:line:column: code message`, on a screen wrapped between words."""
    name, place, message = printable(path), f":{entry.place.line}:{entry.place.column}: ", printable(entry.message)
    start = Colour.PATH.paint(name, colours=screen.colours) + place
    start += Colour.CODE.paint(entry.code, colours=screen.colours) + " "
    taken = cells(f"{name}{place}{entry.code} ")
    first, *rest = _wrapped(message, screen, taken)
    yield start + first
    yield from rest


def _body(entry: Entry, screen: Screen) -> Iterator[str]:
    places = [entry.place, *(related.place for related in entry.related)]
    gutter = len(str(max(place.end_line for place in places)))
    yield from _excerpt(entry.place, gutter, "^", screen)
    for related in entry.related:
        where = f" ({related.path}:{related.place.line})" if related.path else ""
        yield from _note(f"{related.message}{where}", gutter, screen)
        yield from _excerpt(related.place, gutter, "-", screen)
    from flake8_forksafe.fix import Safety

    match entry.safety:
        case Safety.SAFE:
            yield from _note(f"fix: {entry.title} (forksafe-fix)", gutter, screen)
        case Safety.UNSAFE:
            yield from _note(f"fix: {entry.title} (forksafe-fix --unsafe-fixes)", gutter, screen)
        case None:
            pass


def _note(text: str, gutter: int, screen: Screen) -> Iterator[str]:
    first, *rest = _wrapped(printable(text), screen, gutter + 3)
    yield f"{' ' * gutter} = {first}"
    yield from (f"{' ' * gutter} {line}" for line in rest)


def _wrapped(text: str, screen: Screen, taken: int) -> list[str]:
    """Return the lines of `text` on `screen`: of the first, `taken` columns are in use; the others are indented."""
    if screen.width is None:
        return [text]
    import textwrap

    lines = textwrap.wrap(
        text,
        max(screen.width - 1, _NARROWEST),
        initial_indent=" " * taken,
        subsequent_indent=_TAB,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [lines[0][taken:], *lines[1:]] if lines else [""]


def _excerpt(place: Place, gutter: int, mark: str, screen: Screen) -> Iterator[str]:
    """Yield the lines of `place`, what it covers of each underlined."""
    lines = place.text.split("\n")
    if not place.text.strip():
        return
    bar = Colour.FAINT.paint("|", colours=screen.colours)
    room = max((screen.width or _WIDTH) - gutter - len(" | "), _NARROWEST)
    for index, line in enumerate(lines):
        if len(lines) > _LINES and _LINES - 2 <= index < len(lines) - 1:
            if index == _LINES - 2:
                yield _ELLIPSIS
            continue
        start = place.column - 1 if index == 0 else len(line) - len(line.lstrip())
        end = place.end_column - 1 if index == len(lines) - 1 else len(line.rstrip())
        before, marked, after = (_shown(part) for part in (line[:start], line[start:end], line[end:].rstrip()))
        before, marked, after = _fitted(before, marked, after, room)
        yield f"{place.line + index:>{gutter}} {bar} {before}{marked}{after}".rstrip()
        if marked or index == 0:
            underline = mark * max(1, cells(marked))
            yield f"{' ' * gutter} {bar} {' ' * cells(before)}{Colour.MARK.paint(underline, colours=screen.colours)}"


def _shown(text: str) -> str:
    return printable(text).replace("\t", _TAB)


def _fitted(before: str, marked: str, after: str, room: int) -> tuple[str, str, str]:
    """Return the three parts of a line cut so that they take `room` columns, the beginning of `marked` among them."""
    if cells(before + marked + after) <= room:
        return before, marked, after
    dots = len(_ELLIPSIS)
    if cells(before) + min(cells(marked), room // 2) + dots > room:
        before = _ELLIPSIS + _head(before[::-1], room // 4)[::-1]
    rest = room - cells(before)
    if cells(marked) > rest - (dots if after else 0):
        return before, _head(marked, rest - dots) + _ELLIPSIS, ""
    rest -= cells(marked)
    return before, marked, after if cells(after) <= rest else _head(after, rest - dots) + _ELLIPSIS


def _head(text: str, room: int) -> str:
    """Return as much of the beginning of `text` as takes no more than `room` columns."""
    taken = 0
    for index, char in enumerate(text):
        taken += cells(char)
        if taken > room:
            return text[:index]
    return text


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # late: most source is ASCII

    return cell_len(text)
