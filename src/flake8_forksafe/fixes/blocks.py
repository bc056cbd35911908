"""What fixes ask of the statements that they move: where these lead to, and which names are free around them."""

from __future__ import annotations

import ast

from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Function

_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def leaves(node: ast.AST, *, in_loop: bool = False) -> bool:
    """Whether a statement may leave its block by `return`, or by a `break` or `continue` of a loop around it."""
    match node:
        case ast.Return():
            return True
        case ast.Break() | ast.Continue():
            return not in_loop
        case _ if isinstance(node, _OWN_SCOPE):
            return False
        case ast.For() | ast.AsyncFor() | ast.While():
            inside = any(leaves(s, in_loop=True) for s in node.body)
            return inside or any(leaves(s, in_loop=in_loop) for s in node.orelse)
        case _:
            return any(leaves(child, in_loop=in_loop) for child in ast.iter_child_nodes(node))


def free_name(module: ModuleModel, function: Function, candidates: tuple[str, ...]) -> str | None:
    """The first of `candidates` that neither `function`, nor a scope around it or in it, knows; None if all are."""
    scopes = (*module.nest(function), *function.lexical_parents())
    for name in candidates:
        if not any(name in scope.names or name in scope.words for scope in scopes):
            return name
    return None
