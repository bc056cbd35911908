"""What makes a finding the same one in another version of its file, whatever has moved or been reformatted around it.

Lines and columns change with every edit above; the statement and the function it stands in do not. The same idea is
behind the fingerprints of SARIF (2.1.0, 3.27.17) and of GitLab's code quality reports.
"""

from __future__ import annotations

import ast
import hashlib
import re
import textwrap
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.outline import Outline, OutlineError, parse
from flake8_forksafe.source import SourceError, syntax_tree

if TYPE_CHECKING:
    from flake8_forksafe.finding import Finding, Span

_Part = ast.stmt | ast.excepthandler
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: Of a statement this much is shown to people.
_SHOWN = 100


class Identity(NamedTuple):
    """Who a finding is.

    Arguments:
        function: the qualified name of the function or class around it; empty at the top level.
        statement: its statement, for people: on one line and shortened.
        fingerprint: code, function and whole statement as 16 hexadecimal digits; findings that are alike share it.
    """

    function: str
    statement: str
    fingerprint: str


def identities(findings: Sequence[Finding], text: str) -> list[Identity]:
    """Return who each of `findings`, made in a file with this `text`, is."""
    if not findings:
        return []
    lines = [line.encode("utf-8", errors="surrogatepass") for line in text.split("\n")]
    tree = _parsed(text, [finding.span.line for finding in findings])
    found = []
    for finding in findings:
        parts = _parts(tree, finding.span)
        function = ".".join(part.name for part in parts if isinstance(part, _NAMED))
        statement = _header(parts[-1], lines) if parts else _line(finding.span, lines)
        found.append(_identity(finding.code, function, statement))
    return found


def _identity(code: str, function: str, statement: str) -> Identity:
    whole = f"{code}\0{function}\0{_normalised(statement)}"
    digest = hashlib.sha256(whole.encode("utf-8", errors="surrogatepass")).hexdigest()
    return Identity(function, textwrap.shorten(statement, _SHOWN, placeholder=" ..."), digest[:16])


def _normalised(statement: str) -> str:
    """Return `statement` without what a formatter or a comment changes.

    Text that only looks like a comment goes too; that makes a fingerprint a little coarser, never unstable.
    """
    text = re.sub(r"#.*|\\$", "", statement, flags=re.MULTILINE)
    text = "".join(text.split()).replace("'", '"')
    return re.sub(r",(?=[)\]}])", "", text)


def _parsed(text: str, places: Sequence[int]) -> ast.Module:
    """Return the tree of `text`, of whose functions only those need a body that have to do with the lines `places`.

    It is empty where the parser gives up, as on code that is nested too deeply.
    """
    data = text.encode("utf-8", errors="surrogatepass")
    try:
        outline = Outline.of(data)
        starts = list(outline.blocks)
        around = (bisect_right(starts, place) for place in places)
        # The one behind a place counts, too: its decorators stand there.
        return parse(outline.skeleton({start for index in around for start in starts[max(index - 1, 0) : index + 1]}))
    except (OutlineError, RecursionError, MemoryError):
        pass
    try:
        return syntax_tree(data, "")
    except (SourceError, RecursionError, MemoryError):
        return ast.Module([], [])


def _parts(tree: ast.Module, span: Span) -> list[_Part]:
    """Return the statements around the beginning of `span`, the outermost first."""
    place = span.line, span.column
    parts: list[_Part] = []
    inner: Iterator[_Part] = _children(tree)
    while part := next((p for p in inner if _begin(p) <= place <= _end(p)), None):
        parts.append(part)
        inner = _children(part)
    return parts


def _children(node: ast.AST) -> Iterator[_Part]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):
            yield child
        elif isinstance(child, ast.match_case):  # has no place of its own
            yield from _children(child)


def _begin(part: _Part) -> tuple[int, int]:
    nodes = [part, *part.decorator_list] if isinstance(part, _NAMED) else [part]
    return min((node.lineno, node.col_offset) for node in nodes)


def _end(part: _Part) -> tuple[int, int]:
    assert part.end_lineno is not None
    assert part.end_col_offset is not None
    return part.end_lineno, part.end_col_offset


def _header(part: _Part, lines: Sequence[bytes]) -> str:
    """Return the text of `part` up to the first statement inside it."""
    first = next(_children(part), None)
    (line, column), (end_line, end_column) = _begin(part), _end(part) if first is None else _begin(first)
    covered = [*lines[line - 1 : end_line - 1], lines[end_line - 1][:end_column]]
    covered[0] = covered[0][column:]
    text = b"\n".join(covered).decode("utf-8", errors="replace")
    return text if first is None else re.sub(r":\s*#.*\Z", ":", text, flags=re.DOTALL)


def _line(span: Span, lines: Sequence[bytes]) -> str:
    return lines[span.line - 1].decode("utf-8", errors="replace") if span.line <= len(lines) else ""
