"""Fixes for pipes that nothing ever reads: no pipe at all."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import replace

from flake8_forksafe.fix import Fix, Safety
from flake8_forksafe.fixes.streams import to_devnull
from flake8_forksafe.model import ModuleModel
from flake8_forksafe.model.care import cares_for, either, ends, reads_all_at_once, waits
from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import Handle

_AWAY = frozenset({EventKind.COMMUNICATE, EventKind.ESCAPE, EventKind.LEND, EventKind.HAND_OVER})


def discard_output(module: ModuleModel, handle: Handle, streams: Collection[str]) -> Fix | None:
    """Connect `streams` to DEVNULL if nothing in the module ever touches them.

    None as well where the pipe that stays would then be read to its end alone, which is the hazard of FRK103.

    DEVNULL makes the attribute of the handle None. Where a public name holds the handle, another file may look at it,
    so the fix is unsafe there.
    """
    makers = [h for h in module.handles if h.site is handle.site]
    if not streams or any(is_touched(module, h, s) for h in makers for s in streams):
        return None
    if any(_would_read_to_eof(module, h, streams) for h in makers):
        return None
    fix = to_devnull(module, module.spawn(handle), streams)
    if fix is not None and any(_is_public(module, h) for h in makers):
        return replace(fix, safety=Safety.UNSAFE)
    return fix


def discard_all(module: ModuleModel, handle: Handle, streams: Collection[str]) -> Fix | None:
    """Connect `streams` to DEVNULL, and stdin as well if it is a PIPE that nobody closes before a wait.

    Otherwise the child could wait for the end of its input next, which is the hazard of FRK105.
    """
    if not module.pipes.stdin_left_open(handle):
        return discard_output(module, handle, streams)
    return discard_output(module, handle, [*streams, "stdin"]) if streams else None


def _would_read_to_eof(module: ModuleModel, handle: Handle, streams: Collection[str]) -> bool:
    """Whether without `streams` one pipe stays that is read until every process that inherited it has closed it."""
    for stream, setting in module.spawn(handle).output_pipes():
        careful = either(cares_for(stream), ends, waits)
        query = module.query(handle, reads_all_at_once(stream), careful, setting.facts, beyond=True)
        if stream not in streams and any(True for _ in module.exposed(query)):
            return True
    return False


def is_touched(module: ModuleModel, handle: Handle, stream: str) -> bool:
    """Whether anything in the module uses the pipe `stream` of `handle`, or may do so out of sight."""
    for life in module.lives(handle):
        for event in module.flow.events(life):
            returned = event.kind is EventKind.ESCAPE and isinstance(event.site, ast.Return) and life != handle
            if not isinstance(life, Handle) or returned or event.kind is EventKind.CREATE:
                continue
            if event.stream == stream or (event.kind in _AWAY and event.stream in ("", stream)):
                return True
    return any(
        _is_handle(module, node.value, handle)
        for node in ast.walk(module.scopes.module.node)
        if isinstance(node, ast.Attribute) and node.attr == stream
    )


def _is_handle(module: ModuleModel, node: ast.expr, handle: Handle) -> bool:
    function = home_of(module, node)
    steps = module.evaluator.locate(function, node)
    return any(
        life in module.evaluator.eval(node, function, steps[0] if steps else None) for life in module.lives(handle)
    )


def home_of(module: ModuleModel, node: ast.AST) -> Function:
    """The function in which `node` is evaluated."""
    for around in module.syntax.parents(node):
        function = module.scopes.by_node.get(around)
        if function is not None:
            return function
    return module.scopes.module


def _is_public(module: ModuleModel, handle: Handle) -> bool:
    """Whether an attribute or global without a leading underscore holds the handle."""
    groups = [(name, group) for cls in module.scopes.classes for name, group in cls.attributes.items()]
    groups.extend(module.scopes.globals_written.items())
    for name, group in groups:
        if not name.startswith("_") and any(
            handle in module.evaluator.binding_values(b, ()) for b in group if b.value is not None
        ):
            return True
    return any(
        not _last_name(m.receiver).startswith("_") and handle in module.evaluator.eval(m.value, m.function, None)
        for m in module.scopes.mutations
        if isinstance(m.receiver, ast.Attribute)
    )


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""
