"""What a rule says: a place, one line of text, and the places that explain it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flake8_forksafe.fix import Fix


class Span(NamedTuple):
    """A stretch of source text.

    Lines count from 1. Columns count from 0, in UTF-8 bytes exactly as `ast` counts them; `Source.columns`
    turns them into characters where a person or an editor reads them.
    """

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def of(cls, node: ast.expr | ast.stmt | ast.excepthandler | ast.keyword) -> Span:
        """Return the span that `node` covers."""
        return cls(
            node.lineno,
            node.col_offset,
            node.end_lineno if node.end_lineno is not None else node.lineno,
            node.end_col_offset if node.end_col_offset is not None else node.col_offset,
        )


class Related(NamedTuple):
    """A second place that a finding rests on: where the pipe was made, which thread was started."""

    span: Span
    message: str


class Finding(NamedTuple):
    """One report of one rule at one place.

    `message` is one line without the code: it names the handle, says why it hangs, and ends with what to write
    instead. `related` are the places the reason rests on, most telling first. `fix` repairs it, where that can be done
    by a machine.
    """

    code: str
    span: Span
    message: str
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
