"""Fixes that give a child a session of its own and signal that, so that what the child has started ends too."""

from __future__ import annotations

import ast

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, ReplaceExpression, RequireImport, Safety, SetArgument, Wrap
from flake8_forksafe.fixes.child_code import receiver_of
from flake8_forksafe.fixes.writing import as_written
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.values import Constant, External, Handle, Parameter
from flake8_forksafe.stdlib.subprocess import Family

_SESSION = "start_new_session"
_OTHER_SYSTEMS = frozenset({"win32", "nt", "Windows", "cygwin", "CREATE_NEW_PROCESS_GROUP", "CTRL_BREAK_EVENT"})
_REAPING = frozenset({EventKind.WAIT, EventKind.COMMUNICATE, EventKind.POLL, EventKind.REAP, EventKind.LEAVE})
_SIGNALS = {"terminate": "signal.SIGTERM", "kill": "signal.SIGKILL"}


def start_in_session(module: ModuleModel, handle: Handle) -> Fix | None:
    """Start the child in a session of its own, so that the `killpg` that is there hits its group."""
    edits = own_session(module, handle)
    return Fix(Safety.UNSAFE, edits, f"start it with {_SESSION}=True") if edits else None


def signal_group(module: ModuleModel, handle: Handle) -> Fix | None:
    """Start a shell in a session of its own, and send all signals for it to the whole session."""
    session = own_session(module, handle)
    signals = list(module.sessions.shell_signals(handle))
    if session is None or not signals:
        return None
    edits: list[Edit] = list(session)
    imports: list[Edit] = []
    for signal in signals:
        written = _to_group(module, handle, signal)
        if written is None:
            return None
        edits.extend(e for e in written if not isinstance(e, RequireImport))
        imports.extend(e for e in written if isinstance(e, RequireImport) and e not in imports)
    return Fix(Safety.UNSAFE, (*edits, *imports), "start it in a session of its own and use os.killpg()")


def own_session(module: ModuleModel, handle: Handle) -> tuple[Edit, ...] | None:
    """The edits that start a child in a session of its own; none if it has one, None if that cannot be written."""
    spawn = module.spawn(handle)
    if spawn.own_group is True:
        return ()
    call, given = spawn.call, spawn.arguments.get(_SESSION)
    if spawn.own_group is None or call is None or spawn.spawner is None or _is_portable(module):
        return None
    home = module.scopes.home.get(call)
    if home is None or handle.family is Family.MULTIPROCESSING:
        return None
    if External(spawn.name) not in module.evaluator.eval(call.func, home, None):
        return None
    own = [k for k in call.keywords if k.arg == _SESSION]
    if given and not own:
        return None
    return (SetArgument(Span.of(call), _SESSION, "True"),)


def _is_portable(module: ModuleModel) -> bool:
    """Whether a file asks for other systems than POSIX ones, which have neither sessions nor killpg."""
    return not module.syntax.texts.isdisjoint(_OTHER_SYSTEMS) or any(map(module.syntax.attributes, _OTHER_SYSTEMS))


def _to_group(module: ModuleModel, handle: Handle, signal: Event) -> list[Edit] | None:
    """Write one signal as `os.killpg`; an empty group is no error where the child may have been reaped before."""
    receiver, statement = receiver_of(signal), module.syntax.statement(signal.site)
    if receiver is None or signal.concurrent or not isinstance(signal.site, ast.Call):
        return None
    if not isinstance(statement, ast.Expr) or statement.value is not signal.site:
        return None
    if not _is_sure(module, handle, receiver, signal):
        return None
    killpg = module.speller.spell("os.killpg", signal.function)
    number = _number(module, signal)
    if killpg is None or number is None:
        return None
    code, imports = number
    written = f"{killpg.code}({as_written(receiver)}.pid, {code})"
    edits: list[Edit] = [ReplaceExpression(Span.of(signal.site), written), *killpg.imports, *imports]
    if _may_be_reaped(module, handle, signal, receiver):
        if not module.syntax.is_alone_on_line(statement):
            return None
        span = Span.of(statement)
        edits.append(Wrap(span, span, "try:\n    __body__\nexcept ProcessLookupError:\n    pass"))
    return edits


def _is_sure(module: ModuleModel, handle: Handle, receiver: ast.expr, signal: Event) -> bool:
    """Whether the receiver is nothing but children that this very call starts."""
    values = module.evaluator.eval(receiver, signal.function, signal.step)
    return all(isinstance(v, Constant | Parameter) or (isinstance(v, Handle) and v.site is handle.site) for v in values)


def _number(module: ModuleModel, signal: Event) -> tuple[str, tuple[RequireImport, ...]] | None:
    """The signal as an argument."""
    match signal.site:
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _SIGNALS:
            spelling = module.speller.spell(_SIGNALS[attr], signal.function)
            return (spelling.code, spelling.imports) if spelling is not None else None
        case ast.Call(func=ast.Attribute(attr="send_signal"), args=[number], keywords=[]):
            return as_written(number), ()
        case _:
            return None


def _may_be_reaped(module: ModuleModel, handle: Handle, signal: Event, receiver: ast.expr) -> bool:
    """Whether the child may have been reaped before the signal: its group may then be empty, or no longer exist."""
    statement = module.syntax.statement(signal.site)
    around = module.syntax.parent(statement)
    name = ast.unparse(receiver)
    if isinstance(around, ast.If) and statement is around.body[0]:
        tests = around.test.values if isinstance(around.test, ast.BoolOp) else [around.test]
        if any(ast.unparse(t) in (f"{name}.poll() is None", f"{name}.returncode is None") for t in tests):
            return False
    if isinstance(around, ast.Try) and statement in around.body and any(map(_forgives, around.handlers)):
        return False
    made_here = any(e.function is signal.function for e in module.flow.starts(handle))
    for event in module.ending.happens_to(handle):
        if event.kind not in _REAPING or (event.concurrent and event.kind is not EventKind.REAP):
            continue
        if event.function is not signal.function:
            if not made_here:
                return True
            continue
        query = module.query(handle, lambda e: e.site is signal.site, lambda e: e.kind is EventKind.CREATE)
        query.one_element = True
        if module.flow.after(event, query).hits:
            return True
    return False


def _forgives(handler: ast.ExceptHandler) -> bool:
    """Whether a clause catches ProcessLookupError."""
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    wanted = {"ProcessLookupError", "OSError", "Exception", "BaseException", "EnvironmentError", "IOError"}
    return any(n is None or (isinstance(n, ast.Name) and n.id in wanted) for n in names)
