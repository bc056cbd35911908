"""Finds the libcst nodes that stand at the spans of edits."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from flake8_forksafe.finding import Span


class AnchorError(Exception):
    """No node of the wanted kind stands at a span."""


class Anchors:
    """The nodes of one parsed module by the span they cover.

    Spans count columns in characters here, as libcst does.
    """

    def __init__(self, wrapper: MetadataWrapper, spans: Iterable[Span]) -> None:
        """Index the nodes of `wrapper` that begin where one of `spans` begins."""
        starts = {(span.line, span.column) for span in spans}
        self._by_start: dict[tuple[int, int], list[tuple[tuple[int, int], cst.CSTNode]]] = {}
        for node, where in wrapper.resolve(PositionProvider).items():
            start = (where.start.line, where.start.column)
            if start in starts:
                self._by_start.setdefault(start, []).append(((where.end.line, where.end.column), node))

    def expression(self, span: Span) -> cst.BaseExpression:
        """The outermost expression that covers exactly `span`.

        Raises:
            AnchorError: there is none.
        """
        for end, node in self._by_start.get((span.line, span.column), ()):
            if end == (span.end_line, span.end_column) and isinstance(node, cst.BaseExpression):
                return node
        raise AnchorError(f"no expression stands at line {span.line}, column {span.column + 1}")

    def call(self, span: Span) -> cst.Call:
        """The call that covers exactly `span`.

        Raises:
            AnchorError: there is none.
        """
        for end, node in self._by_start.get((span.line, span.column), ()):
            if end == (span.end_line, span.end_column) and isinstance(node, cst.Call):
                return node
        raise AnchorError(f"no call stands at line {span.line}, column {span.column + 1}")

    def statement(self, span: Span) -> cst.SimpleStatementLine | cst.BaseCompoundStatement:
        """The statement that begins where `span` begins.

        Raises:
            AnchorError: there is none, or it shares its line with another one.
        """
        candidates = self._by_start.get((span.line, span.column), ())
        for _, node in candidates:
            match node:
                case cst.BaseCompoundStatement():
                    return node
                case cst.SimpleStatementLine(body=[_]):
                    return node
                case _:
                    continue
        raise AnchorError(f"no statement of its own stands at line {span.line}, column {span.column + 1}")
