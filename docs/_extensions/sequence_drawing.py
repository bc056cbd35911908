"""Draws a sequence diagram as SVG.

The colours come from `_static/sequence.css`, so that the drawing follows the theme; nothing is loaded or run by the
reader's browser. Lengths are in units of the view box, which is about as wide as the text on a phone of 360 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never
from xml.etree.ElementTree import Element, SubElement, tostring

from flake8_forksafe.diagram import Diagram, Exit, Kind, Message, Note, Remain, Start, Step, Wait

WIDTH = 340
FONT = 12
SMALL = 10
LINE = 15
PAD = 5
GAP = 10
BAR = 12
#: A label that spans narrow lanes may be wider than its arrow.
NARROWEST_LABEL = 120
WIDEST_LABEL = 250

#: Advance widths in em of DejaVu Sans, the widest of the usual sans-serif fonts, rounded up.
_ADVANCES = {"'ijlI": 0.3, ' ",.:;/|!f-()[]tr`': 0.42, "mwMW@%": 1.0, "=+<>~": 0.84}
_BOLD = 1.1


def text_width(text: str, size: float = FONT, *, bold: bool = False) -> float:
    """Return a length that `text` certainly does not exceed."""
    ems = sum(
        next((width for letters, width in _ADVANCES.items() if letter in letters), 0.75 if letter.isupper() else 0.64)
        for letter in text
    )
    return ems * size * (_BOLD if bold else 1)


def wrap(text: str, room: float, *, bold: bool = False) -> list[str]:
    """Return `text` in lines no longer than `room` and as even as may be; a longer single word has its own line."""
    words = text.split()
    fewest = len(_greedy(words, room, bold=bold))
    narrow = max(text_width(word, bold=bold) for word in words)
    while narrow < room and len(_greedy(words, narrow, bold=bold)) > fewest:
        narrow += 4
    return _greedy(words, min(narrow, room), bold=bold)


def _greedy(words: list[str], room: float, *, bold: bool) -> list[str]:
    lines = words[:1]
    for word in words[1:]:
        joined = f"{lines[-1]} {word}"
        if text_width(joined, bold=bold) <= room:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


@dataclass(slots=True)
class _Track:
    """Where a lane stands, and since when it is in its present state."""

    x: float
    since: float
    alive: bool
    state: str = "line"


@dataclass(slots=True)
class _Drawing:
    """The drawing in the making; `y` is the upper end of what is still free.

    Lines lie under bars, bars under arrows, arrows under words; each has a group of its own.
    """

    diagram: Diagram
    tracks: dict[str, _Track] = field(default_factory=dict)
    y: float = 1
    lines: Element = field(default_factory=lambda: Element("g"))
    arrows: Element = field(default_factory=lambda: Element("g"))
    words: Element = field(default_factory=lambda: Element("g"))

    def draw(self, identity: str) -> Element:
        self._head()
        for step in self.diagram.steps:
            self._step(step)
            self.y += GAP
        for track in self.tracks.values():
            self._close(track, self.y + GAP)
        self.y += GAP
        self._foot()
        root = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {self.y + 1:g}", role="img")
        root.set("class", "sequence-drawing")
        root.set("aria-labelledby", f"{identity}-title {identity}-desc")
        SubElement(root, "title", id=f"{identity}-title").text = self.diagram.title
        SubElement(root, "desc", id=f"{identity}-desc").text = " ".join(self.diagram.sentences())
        root.extend((self.lines, self.arrows, self.words))
        return root

    def _head(self) -> None:
        share = WIDTH / len(self.diagram.lanes)
        room = min(share - 6, 150)
        labels = [wrap(lane.label, room - 2 * PAD, bold=True) for lane in self.diagram.lanes]
        height = max(map(len, labels)) * LINE + SMALL + 2 * PAD
        for index, (lane, lines) in enumerate(zip(self.diagram.lanes, labels, strict=True)):
            x = share * (index + 0.5)
            shape = self._rect(self.words, x, self.y, room, height, f"lane {lane.kind}")
            if lane.kind is Kind.THREAD:
                shape.set("rx", "12")
            top = self.y + (height - len(lines) * LINE - SMALL) / 2
            self._text(lines, x, top, "label")
            self._text([lane.kind], x, top + len(lines) * LINE - 2, "kind", SMALL)
            self.tracks[lane.name] = _Track(x, self.y + height, lane.name not in self.diagram.started)
        self.y += height + GAP

    def _step(self, step: Step) -> None:
        match step:
            case Start(source, target, text):
                self._label(text, source, target)
                self._arrow(source, target, "message")
                track = self.tracks[target]
                track.alive, track.since = True, self.y
            case Message(source, target, text, lost):
                self._label(text, source, target)
                self._arrow(source, target, "lost" if lost else "message")
            case Note(lane, text):
                self._box([], wrap(text, 130), self.tracks[lane].x, "note")
            case Wait(lane, target, text):
                self._enter(lane, "wait")
                self._blocked(text, self.tracks[lane].x, self.tracks[target].x)
                self._arrow(lane, target, "wait")
            case Remain(lane, text):
                self._enter(lane, "remain")
                self._box(wrap(text, 124, bold=True), [], self.tracks[lane].x, "remain")
            case Exit(lane, text):
                self._box([], wrap(text, 130), self.tracks[lane].x, "note")
                track = self.tracks[lane]
                self._close(track, self.y + 12)
                track.alive = False
                self._cross(track.x, self.y + 12, "ended")
                self.y += 17
            case _:
                assert_never(step)

    def _foot(self) -> None:
        lines = wrap(self.diagram.end, WIDTH - 4 * PAD, bold=True)
        height = len(lines) * LINE + 2 * PAD
        hangs = any(isinstance(step, Wait) for step in self.diagram.steps)
        self._rect(self.words, WIDTH / 2, self.y, WIDTH - 2, height, "end hangs" if hangs else "end")
        self._text(lines, WIDTH / 2, self.y + PAD, "label")
        self.y += height

    def _enter(self, lane: str, state: str) -> None:
        track = self.tracks[lane]
        self._close(track, self.y)
        track.state, track.since = state, self.y

    def _close(self, track: _Track, y: float) -> None:
        """Draw the lane from where its present state began down to `y`."""
        if not track.alive:
            return
        line = _line(self.lines, track.x, track.since, track.x, y, track.state)
        if track.state != "line":
            line.set("stroke-width", str(BAR))
        track.since = y

    def _label(self, text: str, one: str, two: str) -> None:
        left, right = sorted((self.tracks[one].x, self.tracks[two].x))
        lines = wrap(text, min(max(right - left - 2 * PAD, NARROWEST_LABEL), WIDEST_LABEL))
        width = max(map(text_width, lines))
        self._text(lines, _inside((left + right) / 2, width), self.y, "halo")
        self.y += len(lines) * LINE + 4

    def _blocked(self, text: str, start: float, end: float) -> None:
        """Write beside the bar at `start` what it waits for, towards the lane at `end`."""
        span = abs(end - start) - BAR - 4
        lines = wrap(text, min(max(span - 2 * PAD, NARROWEST_LABEL - 2 * PAD), WIDEST_LABEL))
        width = _box_width(["waits for ever"], lines)
        offset = BAR / 2 + 2 + max(width, span) / 2
        self._box(["waits for ever"], lines, start + offset if end > start else start - offset, "wait")
        self.y += PAD

    def _box(self, heading: list[str], lines: list[str], middle: float, style: str) -> None:
        width = _box_width(heading, lines)
        height = (len(heading) + len(lines)) * LINE + PAD
        x = _inside(middle, width)
        self._rect(self.words, x, self.y, width, height, f"box {style}")
        self._text(heading, x, self.y + PAD / 2, f"strong on-{style}")
        self._text(lines, x, self.y + PAD / 2 + len(heading) * LINE, f"on-{style}")
        self.y += height

    def _arrow(self, source: str, target: str, style: str) -> None:
        start, end = self.tracks[source].x, self.tracks[target].x
        sign = 1 if end > start else -1
        start += sign * (BAR / 2 if self.tracks[source].state != "line" else 0)
        end -= sign * (BAR / 2 if self.tracks[target].state != "line" else 1)
        if style == "lost":
            end -= sign * 14
        y = self.y + 2
        _line(self.arrows, start, y, end - sign * (0 if style == "lost" else 6), y, f"arrow {style}")
        if style == "lost":
            self._cross(end, y, "lost")
        else:
            points = f"{end:g},{y:g} {end - sign * 9:g},{y - 5:g} {end - sign * 9:g},{y + 5:g}"
            SubElement(self.arrows, "polygon", {"points": points, "class": f"head {style}"})
        self.y = y + 2

    def _cross(self, x: float, y: float, style: str) -> None:
        _line(self.arrows, x - 5, y - 5, x + 5, y + 5, f"cross {style}")
        _line(self.arrows, x - 5, y + 5, x + 5, y - 5, f"cross {style}")

    def _rect(self, parent: Element, x: float, y: float, width: float, height: float, style: str) -> Element:
        sizes = {"x": x - width / 2, "y": y, "width": width, "height": height, "rx": 3}
        return SubElement(parent, "rect", {**{key: f"{size:g}" for key, size in sizes.items()}, "class": style})

    def _text(self, lines: list[str], x: float, top: float, style: str, size: int = FONT) -> None:
        for index, line in enumerate(lines):
            place = {"x": f"{x:g}", "y": f"{top + index * LINE + size:g}", "class": style}
            SubElement(self.words, "text", place).text = line


def _box_width(heading: list[str], lines: list[str]) -> float:
    widths = [text_width(line, bold=True) for line in heading] + [text_width(line) for line in lines]
    return max(widths) + 2 * PAD


def _inside(middle: float, width: float) -> float:
    """Return `middle`, moved so far that something `width` wide around it stays within the drawing."""
    return max(width / 2 + 1, min(middle, WIDTH - 1 - width / 2))


def _line(parent: Element, x1: float, y1: float, x2: float, y2: float, style: str) -> Element:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return SubElement(parent, "line", {**{key: f"{end:g}" for key, end in ends.items()}, "class": style})


def svg(diagram: Diagram, identity: str) -> str:
    """Return the drawing as one `svg` element; `identity` begins the ids in it and is unique on the page."""
    return tostring(_Drawing(diagram).draw(identity), encoding="unicode")
