"""Where a node stands: its parents, its statement, the block around it. Asked only to build a fix."""

from __future__ import annotations

import ast
from collections.abc import Iterator


class Syntax:
    """The parents of every node of one tree, found in one walk when first asked for."""

    def __init__(self, tree: ast.Module) -> None:
        """Prepare for `tree`, which is only read."""
        self._tree = tree
        self._known: dict[ast.AST, ast.AST] | None = None

    @property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        if self._known is None:
            self._known = {child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)}
        return self._known

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node right around `node`; None for the module."""
        return self._parents.get(node)

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around `node`, innermost first."""
        around = self.parent(node)
        while around is not None:
            yield around
            around = self.parent(around)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that `node` is, or is part of.

        Raises:
            ValueError: `node` is the module.
        """
        for around in (node, *self.parents(node)):
            if isinstance(around, ast.stmt):
                return around
        raise ValueError("the module is no statement")

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The list of statements that `statement` stands in."""
        around = self._parents[statement]
        for _, value in ast.iter_fields(around):
            if isinstance(value, list) and any(item is statement for item in value):
                return value
        raise ValueError("a statement stands in a block")

    def following(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements behind `statement` in its block."""
        block = self.block(statement)
        return block[next(i for i, s in enumerate(block) if s is statement) + 1 :]

    def is_alone_on_line(self, statement: ast.stmt) -> bool:
        """Whether no other statement shares a line with `statement` (`a; b`, `if x: a`), and it is no `elif`."""
        block = self.block(statement)
        around = self._parents[statement]
        if isinstance(around, ast.stmt | ast.excepthandler) and around.lineno == statement.lineno:
            return False
        if block[0] is statement and self._follows_its_keyword(statement, around):
            return False
        return all(
            s is statement or (s.end_lineno != statement.lineno and s.lineno != statement.end_lineno) for s in block
        )

    @staticmethod
    def _follows_its_keyword(statement: ast.stmt, around: ast.AST) -> bool:
        """Whether the first statement of an `else` or `finally` block shares the line of that keyword."""
        earlier: list[ast.stmt] = []
        match around:
            case ast.If(body=body, orelse=[first, *_]) | ast.For(body=body, orelse=[first, *_]) if first is statement:
                earlier = body
            case ast.While(body=body, orelse=[first, *_]) if first is statement:
                earlier = body
            case ast.Try() if around.body[0] is not statement:
                handled = [s for h in around.handlers for s in h.body]
                earlier = [*around.body, *handled, *(around.orelse if around.orelse[:1] != [statement] else [])]
        last = max((s.end_lineno or s.lineno for s in earlier), default=0)
        return statement.lineno == last + 1 or (
            isinstance(around, ast.If) and isinstance(statement, ast.If) and statement.col_offset == around.col_offset
        )
