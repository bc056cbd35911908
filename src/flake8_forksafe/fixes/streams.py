"""Fixes that connect a child's stream to something else than a PIPE."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, ReplaceExpression, Safety
from flake8_forksafe.model.children import Spawn
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.spelling import Spelling
from flake8_forksafe.model.values import External

_PIPE = External("subprocess.PIPE")


def to_devnull(module: ModuleModel, spawn: Spawn, streams: Iterable[str]) -> Fix | None:
    """Connect `streams` to DEVNULL where the call itself says PIPE; None if that is written elsewhere.

    DEVNULL is the equal of a pipe that nobody reads: isatty() is false in both (measured, tests/hanglab/FRK104).
    """
    edits: list[Edit] = []
    for stream in streams:
        written = _written_pipe(module, spawn, stream)
        if written is None:
            return None
        devnull = _devnull_beside(module, spawn, written)
        if devnull is None:
            return None
        edits += [ReplaceExpression(Span.of(written), devnull.code), *(i for i in devnull.imports if i not in edits)]
    return Fix(Safety.SAFE, tuple(edits), "use DEVNULL") if edits else None


def _devnull_beside(module: ModuleModel, spawn: Spawn, pipe: ast.expr) -> Spelling | None:
    """DEVNULL from where `pipe` has its PIPE: `asyncio.subprocess.DEVNULL` for `asyncio.subprocess.PIPE`."""
    if isinstance(pipe, ast.Attribute):
        return Spelling(f"{ast.unparse(pipe.value)}.DEVNULL")
    return module.speller.spell("subprocess.DEVNULL", spawn.function)


def _written_pipe(module: ModuleModel, spawn: Spawn, stream: str) -> ast.expr | None:
    """The expression PIPE as it stands in the call's own argument for `stream`, alone or in one branch of `… if …`."""
    given = spawn.arguments.get(stream)
    if len(given) != 1 or spawn.call is None or not _is_part_of(given[0].value, spawn.call):
        return None
    candidates = [given[0].value]
    if isinstance(given[0].value, ast.IfExp):
        candidates = [given[0].value.body, given[0].value.orelse]
    pipes = [
        c
        for c in candidates
        if isinstance(c, ast.Name | ast.Attribute)
        and module.speller.is_imported(c, given[0].function)
        and module.evaluator.eval(c, given[0].function, None) == {_PIPE}
    ]
    return pipes[0] if len(pipes) == 1 else None


def _is_part_of(node: ast.expr, call: ast.Call) -> bool:
    return any(node is value for value in (*call.args, *(k.value for k in call.keywords)))
