"""Fixes for inherited descriptors: `close_fds`, `pass_fds`, `inheritable=False`, and the close of a pipe's end."""

from __future__ import annotations

import ast
import re

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import (
    Edit,
    Fix,
    InsertAfter,
    InsertBefore,
    ReplaceExpression,
    ReplaceStatement,
    Safety,
    SetArgument,
)
from flake8_forksafe.fixes.forked_children import branch_of
from flake8_forksafe.model.children import Spawn
from flake8_forksafe.model.descriptors import Inheritance, KeptOpen
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.forks import ForkSite, Side
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.pipe_ends import OpenEnd
from flake8_forksafe.model.values import Descriptor, External, Handle, Resource
from flake8_forksafe.stdlib.subprocess import Family

#: Words of a program that lets its children inherit descriptors on purpose: https://peps.python.org/pep-0446/,
#: sd_listen_fds(3), https://www.gnu.org/software/make/manual/html_node/POSIX-Jobserver.html
_ON_PURPOSE = ("set_inheritable", "dup2", "pipe2", "fileno", "LISTEN_FDS", "MAKEFLAGS", "jobserver", "/dev/fd/")
#: Programs that take part in make's jobserver, or run any other program with all that they inherit.
_PASSING_ON = frozenset(
    {
        *("make", "gmake", "ninja", "cmake", "cargo", "rustc", "cc", "c++", "gcc", "g++", "clang", "clang++", "ld"),
        *("scons", "meson", "pip", "python", "python3", "sh", "bash", "dash", "zsh", "env", "sudo", "su", "nohup"),
        *("nice", "timeout", "time", "xargs", "find", "ssh-agent", "systemd-run", "flock", "setsid"),
    }
)


# -- close_fds -------------------------------------------------------------------------------------------------------


def without_close_fds(module: ModuleModel, kept: KeptOpen) -> Fix | None:
    """Drop `close_fds=False`, or make it True in a dict of options.

    Safe where a literal command is known not to make use of inherited descriptors and nothing in the module speaks of
    any; unsafe elsewhere, because the child may be meant to have them.
    """
    node, around = kept.node, module.syntax.parent(kept.node)
    edit: Edit
    match node, around:
        case ast.keyword(), ast.Call() if around is kept.spawn.call or _is_spread(module, around):
            edit = SetArgument(Span.of(around), "close_fds", None)
        case ast.Assign(value=value), _:
            edit = ReplaceExpression(Span.of(value), "True")
        case ast.expr(), ast.Dict(keys=keys, values=values):
            index = next(i for i, n in enumerate(zip(keys, values, strict=True)) if node in n)
            edit = ReplaceExpression(Span.of(values[index]), "True")
        case _:
            return None
    safety = Safety.UNSAFE if _may_be_meant(module, kept.spawn) else Safety.SAFE
    return Fix(safety, (edit,), "leave close_fds at its default")


def _is_spread(module: ModuleModel, call: ast.Call) -> bool:
    """`**dict(close_fds=False)`: a dict that nobody else sees."""
    return (
        isinstance(call.func, ast.Name)
        and call.func.id == "dict"
        and isinstance(module.syntax.parent(call), ast.keyword)
    )


def _may_be_meant(module: ModuleModel, spawn: Spawn) -> bool:
    """Whether the child may need a descriptor that this process has inherited, or made inheritable."""
    call = spawn.call
    if spawn.arguments.get("pass_fds"):
        return False  # overrides close_fds=False with a warning
    if call is None or spawn.arguments.open or spawn.shell is not False or spawn.arguments.get("preexec_fn"):
        return True
    program = _program(spawn)
    if program is None or program in _PASSING_ON:
        return True
    return any(module.mentions(word) for word in _ON_PURPOSE)


def _program(spawn: Spawn) -> str | None:
    """The name of the program that a literal command starts."""
    if spawn.name == "asyncio.create_subprocess_exec" and spawn.call is not None:
        first: ast.expr | None = spawn.call.args[0] if spawn.call.args else None
    else:
        match [a.value for a in spawn.arguments.get("args")]:
            case [ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_])]:
                pass
            case [first]:
                pass
            case _:
                return None
    match first:
        case ast.Constant(value=str(text)):
            return text.rpartition("/")[2]
        case _:
            return None


# -- inheritable descriptors -----------------------------------------------------------------------------------------


def not_inheritable(module: ModuleModel, made: Inheritance) -> Fix | None:
    """Keep the descriptor to this process, or give it to the one child that is started behind it.

    Always unsafe: which child is meant to have the descriptor cannot be proven. None where no child is in sight that
    takes `pass_fds`.
    """
    call = made.event.call
    if call is None:
        return None
    match made.event.subject, call.args:
        case External("os.dup2"), [_, _]:
            edits: tuple[Edit, ...] = (SetArgument(Span.of(call), "inheritable", "False"),)
        case External("os.dup2"), [_, _, flag]:
            edits = (ReplaceExpression(Span.of(flag), "False"),)
        case External("os.pipe2"), [flags]:
            edits = _with_close_on_exec(module, made.event, flags)
        case External("os.set_inheritable"), [fd, _]:
            edits = _passed(module, made.event, ast.unparse(fd))
        case Resource(), [_]:
            assert isinstance(call.func, ast.Attribute)
            edits = _passed(module, made.event, f"{ast.unparse(call.func.value)}.fileno()")
        case _:
            return None
    return Fix(Safety.UNSAFE, edits, made.cure) if edits else None


def _with_close_on_exec(module: ModuleModel, event: Event, flags: ast.expr) -> tuple[Edit, ...]:
    spelling = module.speller.spell("os.O_CLOEXEC", event.function)
    if spelling is None:
        return ()
    match flags:
        case ast.Constant(value=0):
            code = spelling.code
        case _:
            code = f"{ast.unparse(flags)} | {spelling.code}"
    return (ReplaceExpression(Span.of(flags), code), *spelling.imports)


def _passed(module: ModuleModel, event: Event, text: str) -> tuple[Edit, ...]:
    """`pass_fds` for the only child that the rest of the block starts, in place of the inheritable descriptor."""
    statement = module.syntax.statement(event.site)
    if not isinstance(statement, ast.Expr) or statement.value is not event.site:
        return ()
    if not module.syntax.is_alone_on_line(statement) or len(module.syntax.block(statement)) == 1:
        return ()
    behind = {id(n) for s in module.syntax.following(statement) for n in ast.walk(s)}
    spawns = [s for s in module.spawns if s.call is not None and id(s.call) in behind]
    if len(spawns) != 1 or spawns[0].arguments.open or spawns[0].arguments.get("pass_fds"):
        return ()
    if spawns[0].function is not event.function:
        return ()
    call = spawns[0].call
    assert call is not None
    others = [e for e in module.descriptors.inherited if e.event.function is event.function and e.event is not event]
    kept = [k for k in call.keywords if k.arg == "close_fds"]
    named = text in ast.unparse(call)
    if others or not (named or (kept and _program(spawns[0]) is None)):
        return ()  # a command that does not name the descriptor has no use for it
    edits: list[Edit] = [
        ReplaceStatement(Span.of(statement), ""),
        SetArgument(Span.of(call), "pass_fds", f"({text},)"),
    ]
    if kept:
        edits.append(SetArgument(Span.of(call), "close_fds", None))
    return tuple(edits)


# -- the ends of an os.pipe() ----------------------------------------------------------------------------------------


def close_write_end(module: ModuleModel, end: OpenEnd) -> Fix | None:
    """Close the write end in the reading process right behind the start of the child, and not again later.

    None where the start, the pipe and the later close are not plain statements of one function.
    """
    function = end.made.function
    close = module.speller.spell("os.close", function)
    start = _start(module, end)
    if close is None or start is None or start.function is not function or function.is_module:
        return None
    name = re.fullmatch(r"(\w+)(\[1\])?", end.name)
    if name is None or len(function.names.get(name[1], ())) != 1 or end.made.step.loops != start.step.loops:
        return None
    closing = f"{close.code}({end.name})"
    if not end.own or module.context.in_child(end.read):
        edits = _closed_in_child(module, end, closing)
    else:
        edits = _closed_behind_start(module, end, start, closing)
    return Fix(Safety.SAFE, (*edits, *close.imports), f"close {end.name} where it is not needed") if edits else None


def _start(module: ModuleModel, end: OpenEnd) -> Event | None:
    """Where the child that gets the write end comes to be: for a Process, at its `start()`; None if that is unclear."""
    holder = end.holder
    if not isinstance(holder.site, ast.expr):
        return None
    made = module.evaluator.eval(holder.site, holder.function, holder.step)
    if not any(isinstance(v, Handle) and v.family is Family.MULTIPROCESSING for v in made):
        return holder
    starts = {
        e.site: e
        for e in module.flow.of_kind(EventKind.START)
        if isinstance(e.subject, Handle) and e.subject.site is holder.site
    }
    return starts.popitem()[1] if len(starts) == 1 else None


def _closed_in_child(module: ModuleModel, end: OpenEnd, closing: str) -> tuple[Edit, ...]:
    site = _fork(module, end)
    branch = branch_of(module, site) if site is not None else []
    if not branch:
        return ()
    first = branch[0]
    while isinstance(first, ast.Try):
        first = first.body[0]
    if not module.syntax.is_alone_on_line(first):
        return ()
    return (InsertBefore(Span.of(first), closing),)


def _closed_behind_start(module: ModuleModel, end: OpenEnd, start: Event, closing: str) -> tuple[Edit, ...]:
    assert isinstance(end.made.subject, Descriptor)
    write = Descriptor(end.made.subject.site, "write")
    mine = [e for e in module.flow.events(write) if not module.context.in_child(e)]
    closes = list({e.site: e for e in mine if e.kind is EventKind.CLOSE}.values())
    known = {end.holder.site, end.made.site, *(e.site for e in closes)}
    rest = [e for e in mine if e.site not in known]
    forks = {e.site for e in module.threads.forks if e.function is end.made.function} - {start.site}
    if forks or any(e.function is not end.made.function for e in mine) or not all(_is_before(e, start) for e in rest):
        return ()
    removed = [_removed(module, e) for e in closes]
    inserted = _insertion(module, end, start, closing)
    if inserted is None or any(r is None for r in removed):
        return ()
    return (inserted, *(r for r in removed if r is not None))


def _is_before(event: Event, start: Event) -> bool:
    """Whether an event stands in front of the start of the child, as the making of a Process does."""
    return (event.site.lineno, event.site.col_offset) < (start.site.lineno, start.site.col_offset)


def _removed(module: ModuleModel, close: Event) -> Edit | None:
    """The close in its old place taken away: by then the number may belong to somebody else."""
    statement = module.syntax.statement(close.site)
    if not isinstance(statement, ast.Expr) or statement.value is not close.site:
        return None
    if len(module.syntax.block(statement)) == 1 or not module.syntax.is_alone_on_line(statement):
        return None
    return ReplaceStatement(Span.of(statement), "")


def _insertion(module: ModuleModel, end: OpenEnd, start: Event, closing: str) -> Edit | None:
    """The close behind the start of the child, in the parent."""
    site = _fork(module, end)
    statement = module.syntax.statement(start.site)
    if site is None:
        match statement:
            case ast.Assign() | ast.AnnAssign() | ast.Expr() if module.syntax.is_alone_on_line(statement):
                return InsertAfter(Span.of(statement), closing)
            case ast.With(items=[ast.withitem(context_expr=made)], body=[first, *_]) if made is start.site:
                return InsertBefore(Span.of(first), closing) if module.syntax.is_alone_on_line(first) else None
            case _:
                return None
    branch = branch_of(module, site)
    around = module.syntax.parent(branch[0]) if branch else None
    if not isinstance(around, ast.If) or not module.syntax.is_alone_on_line(around):
        return None
    other = around.orelse if branch is around.body else around.body
    if branch is not around.body and branch is not around.orelse:
        return None
    if other:
        return InsertBefore(Span.of(other[0]), closing) if module.syntax.is_alone_on_line(other[0]) else None
    following = module.syntax.following(around)
    child = module.forks.region(site, Side.CHILD).separated
    if not following or any(step in child for step in module.evaluator.locate(site.function, following[0])):
        return None
    return InsertAfter(Span.of(around), closing)


def _fork(module: ModuleModel, end: OpenEnd) -> ForkSite | None:
    return next((s for s in module.forks.sites if s.call is end.holder.site), None)
