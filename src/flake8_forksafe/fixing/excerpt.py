"""Leaves out of a file, while it is changed, the functions and classes that no edit touches.

libcst takes much longer for a file than everything else together, and an edit touches one function of it, or two. In
place of each other function or class stands one line, which is put back afterwards as it was.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import NamedTuple, Self

from flake8_forksafe.finding import Span

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
#: What stands for something left out. A class, so that a search for the imports at the top ends there as it did before.
_MARK = "class __left_out_{}__: ..."
_MARKED = re.compile(rb"[ \t\f]*class __left_out_(\d+)__: \.\.\.")
_BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: Lines below which leaving something out saves nothing.
_FEW = 3


class _Part(NamedTuple):
    """Lines that are left out, counted from 1; `text` without the newline of the last one."""

    first: int
    last: int
    text: bytes


class Excerpt(NamedTuple):
    """One file without what no edit touches.

    Attributes:
        data: the text that is left, with a line for each part that is not.
    """

    data: bytes
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, data: bytes, tree: ast.Module, touched: Collection[Span]) -> Self:
        """Return the excerpt of a file that holds all lines of `touched`.

        Arguments:
            data: the file.
            tree: its syntax tree.
            touched: what edits change or move, by lines of the file.
        """
        lines: list[bytes] = _LINE.findall(data)
        parts: list[_Part] = []
        kept: list[bytes] = []
        end = 0
        for first, last, column in _untouched(tree.body, touched):
            indent = lines[first - 1][:column]
            if indent.strip(b" \t\f") or (first > 1 and lines[first - 2].rstrip(b"\r\n").endswith(b"\\")):
                continue  # it shares its line with something else
            text = b"".join(lines[first - 1 : last])
            newline = text[len(text.rstrip(b"\r\n")) :]
            kept += (*lines[end : first - 1], indent, _MARK.format(len(parts)).encode(), newline)
            parts.append(_Part(first, last, text[: len(text) - len(newline)]))
            end = last
        return cls(b"".join((*kept, *lines[end:])), tuple(parts))

    def line(self, number: int) -> int:
        """The line of the excerpt that a line of the file has become."""
        before = self.parts[: bisect_left(self.parts, number, key=lambda part: part.last)]
        return number - sum(part.last - part.first for part in before)

    def restored(self, changed: bytes) -> bytes | None:
        """The file that a changed excerpt makes; None if a part was lost, moved or doubled."""
        seen: list[int] = []

        def put_back(match: re.Match[bytes]) -> bytes:
            seen.append(int(match[1]))
            return self.parts[seen[-1]].text if seen[-1] < len(self.parts) else match[0]

        result = b"".join(_MARKED.sub(put_back, line, count=1) for line in _LINE.findall(changed))
        return result if seen == list(range(len(self.parts))) else None


def _untouched(body: list[ast.stmt], touched: Collection[Span]) -> Iterator[tuple[int, int, int]]:
    """Yield first line, last line and column of each function and class that nothing in `touched` meets."""
    for statement in body:
        if not isinstance(statement, _BLOCKS):
            continue
        first = min(node.lineno for node in (statement, *statement.decorator_list))
        last = statement.end_lineno or first
        if any(span.line <= last and first <= span.end_line for span in touched):
            if isinstance(statement, ast.ClassDef):
                yield from _untouched(statement.body, touched)
        elif last - first >= _FEW:
            yield first, last, statement.col_offset
