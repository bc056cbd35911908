"""What became of each file of a run, as plain data that every output format reads and that processes can exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flake8_forksafe.finding import Finding, Span
    from flake8_forksafe.fingerprint import Identity
    from flake8_forksafe.fix import Safety
    from flake8_forksafe.program import Survey
    from flake8_forksafe.source import Source


class Place(NamedTuple):
    """A stretch of source as people and services count it: lines and columns from 1, in characters, the end exclusive.

    `text` is the lines it covers, whole.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class Related(NamedTuple):
    """A second place that explains a finding; `path` is its file where that is another one."""

    place: Place
    message: str
    path: str = ""


class Entry(NamedTuple):
    """One finding.

    Arguments:
        code: of the rule.
        message: what is wrong, on one line.
        place: where.
        identity: who it is, wherever it moves; None in runs that do not ask.
        related: the places that explain it.
        safety: of its fix, if it has one.
        title: of its fix.
    """

    code: str
    message: str
    place: Place
    identity: Identity | None
    related: tuple[Related, ...] = ()
    safety: Safety | None = None
    title: str = ""

    @property
    def who(self) -> Identity:
        """Its identity, in runs that ask for identities."""
        assert self.identity is not None
        return self.identity


class Outcome(NamedTuple):
    """What became of one file.

    Arguments:
        path: the file as the user named it.
        left: the findings that the file holds at the end (with `--diff`, that it would hold).
        fixed: the findings that were repaired (with `--diff`, that would be).
        diff: what was changed or would be, as a unified diff in the file's own encoding.
        data: the new content, where it goes to standard output.
        problem: why the file could not be read, analysed or written; empty if it could.
        problem_line: the line the problem is on, 0 for the file as a whole.
        dropped: fixes that were taken back because their result was wrong: each a bug of this program.
        survey: what the whole-program mode needs of the file.
    """

    path: str
    left: tuple[Entry, ...] = ()
    fixed: tuple[Entry, ...] = ()
    diff: bytes = b""
    data: bytes = b""
    problem: str = ""
    problem_line: int = 0
    dropped: tuple[str, ...] = ()
    survey: Survey | None = None


def entries(findings: Sequence[Finding], source: Source, *, identified: bool) -> tuple[Entry, ...]:
    """Return `findings`, made in `source`, with their columns in characters and the text of their lines.

    It takes a look at the syntax around each to say who it is, so that is only done if they are to be `identified`.
    """
    if not findings:
        return ()
    text = source.text
    lines = text.split("\n")
    who: Sequence[Identity | None] = [None] * len(findings)
    if identified:
        from flake8_forksafe.fingerprint import identities

        who = identities(findings, text)
    return tuple(
        Entry(
            finding.code,
            finding.message,
            _place(finding.span, source, lines),
            identity,
            tuple(Related(_place(related.span, source, lines), related.message) for related in finding.related),
            finding.fix.safety if finding.fix is not None else None,
            finding.fix.title if finding.fix is not None else "",
        )
        for finding, identity in zip(findings, who, strict=True)
    )


def place_of(span: Span, source: Source) -> Place:
    """Return a place of `source` as people count it."""
    return _place(span, source, source.text.split("\n"))


def _place(span: Span, source: Source, lines: Sequence[str]) -> Place:
    begin, end = source.columns(span)
    return Place(span.line, begin + 1, span.end_line, end + 1, "\n".join(lines[span.line - 1 : span.end_line]))
