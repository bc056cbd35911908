"""Fixes for processes and threads that a script starts at import: the main guard."""

from __future__ import annotations

import ast

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Fix, Safety, Wrap
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.threads import ProcessStart, ThreadStart
from flake8_forksafe.model.values import Handle, Resource, ResourceKind

_GUARD = 'if __name__ == "__main__":\n    __body__'
_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def guard_process(module: ModuleModel, process: ProcessStart) -> Fix | None:
    """Put what a script does from the making of a process on under the main guard.

    A module is taken for a script if it says so by its first line or name, or if it also waits for the process at
    import, so that its work is over when the import is. None where others may use what the module makes.

    Unsafe: whoever imports the module does not run that code any more.
    """
    return _guarded(module, [process.made, *process.runs], is_waited_for=_is_waited_for(module, process))


def guard_thread(module: ModuleModel, start: ThreadStart) -> Fix | None:
    """The same for a thread that a script starts and joins at import."""
    if start.resource is None:
        return None
    made = module.flow.events(start.resource, EventKind.CREATE)
    joined = _happens_at_import(module, module.flow.events(start.resource, EventKind.WAIT))
    return _guarded(module, [*made, start.event], is_waited_for=joined)


def _is_waited_for(module: ModuleModel, process: ProcessStart) -> bool:
    match process.subject:
        case Handle(site=site):
            waits = [e for e in module.flow.of_kind(EventKind.WAIT) if _site(e) is site]
        case Resource(kind=ResourceKind.PROCESS_EXECUTOR | ResourceKind.POOL) as pool:
            waits = [*module.flow.events(pool, EventKind.WAIT), *module.flow.events(pool, EventKind.LEAVE)]
        case _:
            return False
    return _happens_at_import(module, waits)


def _site(event: Event) -> ast.AST | None:
    return event.subject.site if isinstance(event.subject, Handle) else None


def _happens_at_import(module: ModuleModel, events: list[Event]) -> bool:
    return any(module.context.at_import(e) for e in events)


def _guarded(module: ModuleModel, events: list[Event], *, is_waited_for: bool) -> Fix | None:
    body = module.scopes.module.node.body
    if not isinstance(body, list) or not (module.context.is_script or is_waited_for):
        return None
    inside = [e for e in events if e.function.is_module]
    if not inside:
        return None
    first = min(_index(module, e, body) for e in inside)
    tail = body[first:]
    if tail and _is_guard(tail[-1]):
        tail = tail[:-1]
    syntax = module.syntax
    if first < 0 or any(isinstance(s, _DEFINING) for s in tail) or not all(syntax.is_alone_on_line(s) for s in tail):
        return None
    if not module.context.is_script and _gives_names_away(tail):
        return None
    return Fix(Safety.UNSAFE, (Wrap(Span.of(tail[0]), Span.of(tail[-1]), _GUARD),), "add a main guard")


def _index(module: ModuleModel, event: Event, body: list[ast.stmt]) -> int:
    """The place of the top-level statement in which an event happens; -1 if it is in a class body."""
    around = [event.site, *module.syntax.parents(event.site)]
    if any(isinstance(a, ast.ClassDef) for a in around):
        return -1
    return next(i for i, s in enumerate(body) if any(a is s for a in around))


def _is_guard(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case _:
            return False


def _gives_names_away(tail: list[ast.stmt]) -> bool:
    """Whether the statements bind a name that they do not read themselves, and that importers may want."""
    nodes = [n for s in tail for n in ast.walk(s)]
    passing = {t for n in nodes if isinstance(n, ast.For | ast.comprehension) for t in ast.walk(n.target)}
    names = [n for n in nodes if isinstance(n, ast.Name)]
    bound = {n.id for n in names if isinstance(n.ctx, ast.Store) and n not in passing}
    return not bound <= {n.id for n in names if isinstance(n.ctx, ast.Load)}
