"""Fixes for loops over a pipe that wait for an end marker of the wrong type."""

from __future__ import annotations

import ast

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Fix, ReplaceExpression, Safety
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.values import Handle


def bytes_sentinel(module: ModuleModel, loop: ast.stmt) -> Fix | None:
    """Compare with `b""` wherever `loop` looks for its end as `""`; None if one of the pipes may give text."""
    events = [e for e in module.flow.of_kind(EventKind.EMPTY_TEXT) if module.loop_around(e) is loop]
    spans: dict[Span, None] = {}
    for event in events:
        sentinel = _sentinel(event)
        if sentinel is None or not isinstance(event.subject, Handle):
            return None
        if module.spawn(event.subject).text_mode is not False:
            return None
        spans[Span.of(sentinel)] = None
    edits = tuple(ReplaceExpression(span, 'b""') for span in spans)
    return Fix(Safety.SAFE, edits, 'compare with b""') if edits else None


def _sentinel(event: Event) -> ast.Constant | None:
    """The literal `""` of the comparison or the `iter` call at `event`."""
    found = [n for n in ast.walk(event.site) if isinstance(n, ast.Constant) and n.value == ""]
    return found[0] if len(found) == 1 else None
