"""How a finding can be repaired, as data: edits tied to spans of the checked source, and how safe they are.

Nothing here imports libcst; `flake8_forksafe.fixing` turns these values into changed source.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.records import dataclass


class Safety(Enum):
    """What applying a fix can change besides taking the hazard away."""

    #: The observable behaviour stays the same but for the hang.
    SAFE = "safe"
    #: Timing, signals, sessions or the start method change; applied only with `--unsafe-fixes`.
    UNSAFE = "unsafe"


class ReplaceExpression(NamedTuple):
    """Write `code` in place of the expression at `span`."""

    span: Span
    code: str


class SetArgument(NamedTuple):
    """Give the call at `span` the keyword argument `name` with the value `code`; None takes the argument away.

    An argument of that name that the call spells out is changed in its place; one that is not there is added last,
    in front of `**` arguments.
    """

    span: Span
    name: str
    code: str | None


class ReplaceStatement(NamedTuple):
    """Write the statements of `code` in place of the statement at `span`; no code takes it away.

    `code` starts in column 0; comments in front of the statement and behind it are kept. Where there is no code, those
    in front go to the next statement.
    """

    span: Span
    code: str


class InsertBefore(NamedTuple):
    """Write the statements of `code` in front of the statement at `span`."""

    span: Span
    code: str


class InsertAfter(NamedTuple):
    """Write the statements of `code` behind the statement at `span`."""

    span: Span
    code: str


def _from_to(first: Span, last: Span) -> Span:
    return Span(first.line, first.column, last.end_line, last.end_column)


class WrapFinally(NamedTuple):
    """Put the statements from the one at `first` to the one at `last`, of one block, into a `try` body.

    `code` becomes the `finally` body. With `first` and `last` the same, one statement is wrapped.
    """

    first: Span
    last: Span
    code: str

    @property
    def span(self) -> Span:
        """All that is moved into the `try`."""
        return _from_to(self.first, self.last)


class Wrap(NamedTuple):
    """Put the statements from the one at `first` to the one at `last`, of one block, into the statements of `code`.

    The line `__body__` in `code` stands for them; if there is a line `__last__`, it stands for the last one, and
    `__body__` for the others. With `first` and `last` the same, one statement is wrapped.
    """

    first: Span
    last: Span
    code: str

    @property
    def span(self) -> Span:
        """All that is moved."""
        return _from_to(self.first, self.last)


class RenameArgument(NamedTuple):
    """Give the call at `span`, in place of the keyword argument `name`, another one with the value `code`."""

    span: Span
    name: str
    new_name: str
    code: str


class ExtractExpression(NamedTuple):
    """Bind the expression at `span` to the free `name`, in front of the statement at `statement` that it is part of.

    What an InsertBefore of the same statement writes comes between the two.
    """

    span: Span
    statement: Span
    name: str


class RequireImport(NamedTuple):
    """See that the module imports `module`, or `name` from it, at its top."""

    module: str
    name: str | None = None


Edit = (
    ReplaceExpression
    | SetArgument
    | RenameArgument
    | ExtractExpression
    | ReplaceStatement
    | InsertBefore
    | InsertAfter
    | WrapFinally
    | Wrap
    | RequireImport
)


@dataclass(frozen=True, slots=True)
class Fix:
    """All edits that together repair one finding; they are made together or not at all.

    `title` says in the imperative what is written: `use communicate()`.
    """

    safety: Safety
    edits: tuple[Edit, ...]
    title: str
