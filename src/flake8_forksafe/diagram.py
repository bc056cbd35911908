"""The sequence diagrams of the rule pages: their language, and how a terminal shows them.

A diagram is a fenced block `sequence` in a rule file's docstring. Each line is one of

    title: who waits for whom, in one sentence
    process child: Child                    a participant: its kind, its name in the block, its label
    parent starts child: Popen(["make"])    from here on the child exists
    child -> pipe: write                    something is sent or called
    parent -x child: SIGTERM                the same without effect
    note pipe: full after 64 KiB            what is the case, or what a participant does by itself
    child waits for pipe: write(2)          blocked until the end of the diagram
    child remains: a zombie                 its state until the end of the diagram, where that is no wait
    child ends: exit status 0               it exists no longer
    end: what the reader is left with

Own code, because no library fits. seqdiag, the one that draws SVG without Java, Node or a browser, has had no release
since 2021 and fails with Pillow 10 (https://github.com/blockdiag/seqdiag/issues/63), knows no wait that never ends, and
writes fixed colours, which a dark page cannot show. None has a text form for a terminal.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from typing import assert_never

from flake8_forksafe.records import dataclass

#: More lanes than this leave no room for words on a phone.
MOST_LANES = 4

#: A label has to wrap into three lines or fewer on a phone.
LONGEST_LABEL = 72

#: Columns of the text form; it is indented by two.
_WIDTH = 76


class Kind(StrEnum):
    """What a lane stands for."""

    PROCESS = "process"
    THREAD = "thread"
    PIPE = "pipe"
    LOCK = "lock"
    KERNEL = "kernel"
    GROUP = "group"
    FILE = "file"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Lane:
    """A participant: its kind, the name that the steps call it by, and its label."""

    kind: Kind
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Start:
    """The first step of `target`, which `source` brings about."""

    source: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """A call, a signal or data from `source` to `target`; `lost` when it has no effect there."""

    source: str
    target: str
    text: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Something about one lane."""

    lane: str
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """`lane` waits for `target` and never goes on."""

    lane: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Remain:
    """`lane` stays in a state that is no wait: a zombie, an orphan, a loop without end."""

    lane: str
    text: str


@dataclass(frozen=True, slots=True)
class Exit:
    """`lane` exists no longer."""

    lane: str
    text: str


Step = Start | Message | Note | Wait | Remain | Exit


@dataclass(frozen=True, slots=True)
class Diagram:
    """A parsed diagram: title, lanes from left to right, steps in the order of time, and the closing line."""

    title: str
    lanes: tuple[Lane, ...]
    steps: tuple[Step, ...]
    end: str

    @property
    def started(self) -> frozenset[str]:
        """Return the names of the lanes that a step starts; the others exist from the beginning."""
        return frozenset(step.target for step in self.steps if isinstance(step, Start))

    def sentences(self) -> list[str]:
        """Return the diagram as sentences, for those who do not see it."""
        label = {lane.name: lane.label for lane in self.lanes}
        return [*(_sentence(step, label) for step in self.steps), f"End: {self.end.rstrip('.')}."]


_LANE = re.compile(rf"({'|'.join(Kind)}) (\w+): (\S.*)")
_STEP = re.compile(
    r"(?P<note>note )?(?P<one>\w+)(?P<verb> starts | -> | -x | waits for | remains| ends)?(?P<two>\w+)?: (?P<text>\S.*)"
)


def parse(source: str) -> Diagram:
    """Return the diagram that `source`, the inside of the fenced block, describes.

    Raises:
        ValueError: a line is none of the language, names an unknown participant, or says what cannot be: a step of a
            participant that waits for ever, has ended or was not started yet. The message names the line.
    """
    fields: dict[str, str] = {}
    lanes: list[Lane] = []
    steps: list[Step] = []
    for line in filter(None, map(str.strip, source.splitlines())):
        word, _, rest = line.partition(": ")
        if word in {"title", "end"} and word not in fields:
            fields[word] = rest
        elif match := _LANE.fullmatch(line):
            lanes.append(Lane(Kind(match[1]), match[2], match[3]))
        else:
            steps.append(_step(line))
    missing = [word for word in ("title", "end") if not fields.get(word)]
    if missing:
        raise ValueError(f"the diagram has no line '{missing[0]}: ...'")
    if not 1 < len(lanes) <= MOST_LANES:
        raise ValueError(f"the diagram has {len(lanes)} participants; two to {MOST_LANES} fit a page")
    _check(lanes, steps)
    return Diagram(fields["title"], tuple(lanes), tuple(steps), fields["end"])


def _step(line: str) -> Step:
    match = _STEP.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} is no line of a diagram")
    one, two, text = match["one"], match["two"] or "", match["text"]
    if len(text) > LONGEST_LABEL:
        raise ValueError(f"{line!r} is too long; {LONGEST_LABEL} characters after the colon fit a page")
    match bool(match["note"]), (match["verb"] or "").strip(), bool(two):
        case True, "", False:
            return Note(one, text)
        case False, "starts", True:
            return Start(one, two, text)
        case False, "->" | "-x" as arrow, True:
            return Message(one, two, text, lost=arrow == "-x")
        case False, "waits for", True:
            return Wait(one, two, text)
        case False, "remains", False:
            return Remain(one, text)
        case False, "ends", False:
            return Exit(one, text)
    raise ValueError(f"{line!r} is no line of a diagram")


def _actors(step: Step) -> tuple[str, str | None]:
    """Return the lane that acts, and the one that it acts on."""
    match step:
        case Start(source, target) | Message(source, target):
            return source, target
        case Wait(lane, target):
            return lane, target
        case Note(lane) | Remain(lane) | Exit(lane):
            return lane, None
        case _:
            assert_never(step)


def _check(lanes: list[Lane], steps: list[Step]) -> None:
    names = [lane.name for lane in lanes]
    if len(set(names)) != len(names):
        raise ValueError("two participants have the same name")
    unborn = {step.target for step in steps if isinstance(step, Start)}
    done: dict[str, str] = {}
    for step in steps:
        one, two = _actors(step)
        for name in filter(None, (one, two)):
            if name not in names:
                raise ValueError(f"{name!r} is no participant ({step.text})")
        if one == two:
            raise ValueError(f"{one!r} acts on itself; write a note ({step.text})")
        if one in done:
            raise ValueError(f"{one!r} {done[one]} and does nothing more ({step.text})")
        if isinstance(step, Start):
            if step.target not in unborn:
                raise ValueError(f"{step.target!r} is started twice ({step.text})")
            unborn.remove(step.target)
        early = unborn.intersection({one, two})
        if early:
            raise ValueError(f"{early.pop()!r} is not started yet ({step.text})")
        match step:
            case Wait():
                done[one] = "waits for ever"
            case Remain():
                done[one] = "has come to its last state"
            case Exit():
                done[one] = "has ended"
            case _:
                pass
    if not done:
        raise ValueError("nobody waits for ever, remains in a state or ends: what is the hazard?")


def _sentence(step: Step, label: dict[str, str]) -> str:
    text = step.text.rstrip(".")
    match step:
        case Start(source, target):
            return f"{label[source]} starts {label[target]}: {text}."
        case Message(source, target, lost=lost):
            return f"{label[source]} to {label[target]}{', without effect' * lost}: {text}."
        case Note(lane):
            return f"{label[lane]}: {text}."
        case Wait(lane, target):
            return f"{label[lane]} waits for ever for {label[target]}: {text}."
        case Remain(lane):
            return f"{label[lane]} remains: {text}."
        case Exit(lane):
            return f"{label[lane]} ends: {text}."
        case _:
            assert_never(step)


def text_lines(diagram: Diagram) -> Iterator[str]:
    """Yield the diagram as lines of ASCII, at most 78 columns wide, which every terminal can show."""
    drawing = _TextDrawing(diagram)
    for line in (*drawing.head(), *(row for step in diagram.steps for row in drawing.rows(step)), *drawing.foot()):
        yield f"  {line}".rstrip()


class _TextDrawing:
    """Draws row by row; a lane's mark is what stands in its column in rows that say nothing about it."""

    def __init__(self, diagram: Diagram) -> None:
        self._diagram = diagram
        share = _WIDTH / len(diagram.lanes)
        self._columns = {lane.name: int(share * (index + 0.5)) for index, lane in enumerate(diagram.lanes)}
        self._marks = {lane.name: " " if lane.name in diagram.started else "|" for lane in diagram.lanes}

    def head(self) -> Iterator[str]:
        yield from textwrap.wrap(self._diagram.title, _WIDTH)
        yield ""
        room = _WIDTH // len(self._diagram.lanes) - 2
        labels = [textwrap.wrap(lane.label, room) for lane in self._diagram.lanes]
        height = max(map(len, labels))
        for index in range(height):
            row = _blank()
            for lane, lines in zip(self._diagram.lanes, labels, strict=True):
                if index >= height - len(lines):
                    _put(row, self._columns[lane.name], lines[index - height + len(lines)])
            yield "".join(row)
        row = _blank()
        for lane in self._diagram.lanes:
            _put(row, self._columns[lane.name], f"({lane.kind})")
        yield "".join(row)
        yield self._plain()

    def rows(self, step: Step) -> Iterator[str]:
        match step:
            case Start(source, target, text):
                yield from self._label(text, source, target)
                yield self._arrow(source, target, "-", ">")
                self._marks[target] = "|"
            case Message(source, target, text, lost):
                yield from self._label(text, source, target)
                yield self._arrow(source, target, "-", "X" if lost else ">")
            case Note(lane, text):
                yield from self._boxed(text, lane)
            case Wait(lane, target, text):
                self._marks[lane] = "#"
                yield self._plain("WAITS FOR EVER", lane, target)
                yield from self._label(text, lane, target)
                yield self._arrow(lane, target, "= ", ">")
            case Remain(lane, text):
                self._marks[lane] = "*"
                yield from self._boxed(text.upper(), lane)
            case Exit(lane, text):
                yield from self._boxed(text, lane)
                self._marks[lane] = "X"
                yield self._plain()
                self._marks[lane] = " "
            case _:
                assert_never(step)
        yield self._plain()

    def foot(self) -> Iterator[str]:
        yield self._plain()
        yield "=" * _WIDTH
        yield from (line.center(_WIDTH) for line in textwrap.wrap(self._diagram.end, _WIDTH))

    def _plain(self, text: str = "", *lanes: str) -> str:
        row = _blank()
        for name, column in self._columns.items():
            row[column] = self._marks[name]
        if text:
            _put(row, sum(self._columns[lane] for lane in lanes) // len(lanes), f" {text} ")
        return "".join(row)

    def _label(self, text: str, one: str, two: str) -> Iterator[str]:
        room = max(abs(self._columns[one] - self._columns[two]) - 4, 14)
        for line in textwrap.wrap(text, room, break_long_words=False):
            yield self._plain(line, one, two)

    def _boxed(self, text: str, lane: str) -> Iterator[str]:
        lines = textwrap.wrap(text, 30, break_long_words=False)
        width = max(map(len, lines))
        for line in lines:
            row = list(self._plain())
            _put(row, self._columns[lane], f"[ {line.center(width)} ]")
            yield "".join(row)

    def _arrow(self, source: str, target: str, shaft: str, head: str) -> str:
        row = list(self._plain())
        start, end = self._columns[source], self._columns[target]
        low, high = sorted((start, end))
        line = (shaft * _WIDTH)[: high - low - 1]
        row[low + 1 : high] = line if start < end else reversed(line)
        if start < end:
            row[end - 1] = head
        else:
            row[end + 1] = "<" if head == ">" else head
        return "".join(row)


def _blank() -> list[str]:
    return [" "] * _WIDTH


def _put(row: list[str], middle: int, text: str) -> None:
    """Write `text` around a column, moved so far that it stays within the row."""
    start = max(0, min(middle - len(text) // 2, _WIDTH - len(text)))
    row[start : start + len(text)] = text
