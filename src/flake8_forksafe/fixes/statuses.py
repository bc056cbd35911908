"""Fixes that leave the exit statuses of children to those who read them."""

from __future__ import annotations

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Fix, ReplaceExpression, Safety
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel


def default_action(module: ModuleModel, event: Event) -> Fix | None:
    """Write SIG_DFL for SIG_IGN; not where the module forks, because nobody may wait for those children."""
    call = event.call
    if call is None or len(call.args) != 2 or call.keywords or module.flow.of_kind(EventKind.FORK):
        return None
    spelling = module.speller.spell("signal.SIG_DFL", event.function)
    if spelling is None:
        return None
    edit = ReplaceExpression(Span.of(call.args[1]), spelling.code)
    return Fix(Safety.UNSAFE, (edit, *spelling.imports), "leave SIGCHLD at its default action")
