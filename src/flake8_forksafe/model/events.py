"""What happens to resources, step by step: the events that rules ask about."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum, auto
from functools import cache
from itertools import pairwise

from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.evaluate import Evaluator
from flake8_forksafe.model.scopes import BindingKind, Function
from flake8_forksafe.model.values import (
    NOTHING,
    ClassReference,
    Collection,
    Constant,
    Derived,
    Descriptor,
    External,
    FunctionReference,
    Handle,
    HandlePart,
    Instance,
    Method,
    Parameter,
    Partial,
    Pipe,
    ReadResult,
    Resource,
    ResourceKind,
    Unknown,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.model.walking import walk
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import (
    CONTAINER_METHODS,
    FORKS,
    INSPECTING,
    LOGGING_METHODS,
    READING_METHODS,
    READS_LAZILY,
    READS_TO_END,
    RUNS_COMMANDS,
    SENDS_SIGNAL,
)
from flake8_forksafe.stdlib.names import STANDARD_MODULES
from flake8_forksafe.stdlib.objects import TRANSPARENT
from flake8_forksafe.stdlib.subprocess import Family


class EventKind(Enum):
    """What one event is, with the subject it happens to."""

    CREATE = auto()  # a handle or resource comes to be
    START = auto()  # a multiprocessing process, thread or timer is started
    WAIT = auto()  # the caller blocks until the child (or thread) has ended
    POLL = auto()  # the child's status is asked for and the child reaped if it has ended
    STATUS = auto()  # `returncode` is read; asks nothing of the system
    COMMUNICATE = auto()
    READ = auto()  # a blocking read of one stream, `style` tells how far
    DRAIN = auto()  # the stream has been read to its end
    EMPTY_TEXT = auto()  # what was read is compared with the empty str to see the end
    WRITE = auto()
    CLOSE = auto()
    HAND_OVER = auto()  # a stream is given to somebody who takes care of it
    LEND = auto()  # a fixture or context manager yields the handle or a stream and gets it back
    ESCAPE = auto()  # the handle is given to code out of sight
    SIGNAL = auto()
    TELL = auto()  # the child's pid is given to another project's function, or to a program that sends a signal to it
    REAP = auto()  # reaped by other means than wait, communicate and poll, or by somebody else
    ENTER = auto()
    LEAVE = auto()
    RUNNING = auto()  # from here on the child is known not to have ended
    ENDED = auto()  # from here on the child is known to have ended
    ABSENT = auto()  # from here on there is no such handle
    PUT = auto()
    GET = auto()
    ACQUIRE = auto()
    RELEASE = auto()
    CANCEL = auto()
    DAEMON = auto()  # the daemon flag of a thread or timer is set, to whatever; `site` holds the value
    SUBMIT = auto()
    SET = auto()
    CLEAR = auto()  # an Event that was set is so no more
    FORK = auto()
    GROUP = auto()  # the child is put into a session or group of its own from outside
    CALL = auto()  # a function of the module is called
    INHERIT = auto()  # a descriptor is made inheritable, or ceases to be
    REFERENCE = auto()  # a function of the module is handed to somebody who may call it, now or concurrently
    EXTERNAL = auto()  # a call of something outside the module by a known name


class ReadStyle(Enum):
    """How far a read goes."""

    TO_END = auto()  # read(), readlines(): one call, blocks until every writer has gone
    PARTIAL = auto()  # read(n), readline()
    ITERATION = auto()  # for line in pipe
    BY_CALLEE = auto()  # given to a call that reads it


class Signal(Enum):
    """The signals that the rules tell apart."""

    TERMINATE = auto()
    KILL = auto()
    INTERRUPT = auto()  # SIGINT, SIGQUIT, SIGABRT: meant to end the child, as from the keyboard
    PROBE = auto()
    OTHER = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One thing that happens to one subject at one step.

    Attributes:
        site: the syntax a report about this event points at.
        step: the graph node in which it happens; `function` is the function of that node.
        stream: `"stdin"`, `"stdout"` or `"stderr"` where the event is about one pipe.
        timed: the call gives up after a time.
        group: a signal goes to the whole process group.
        concurrent: it happens by reference, in a thread or a callback, at a time of its own.
        small: a write of a literal that certainly fits a pipe.
    """

    kind: EventKind
    subject: Value
    site: ast.expr | ast.stmt | ast.excepthandler
    step: Node
    function: Function
    stream: str = ""
    timed: bool = False
    group: bool = False
    concurrent: bool = False
    small: bool = False
    style: ReadStyle | None = None
    signal: Signal | None = None
    call: ast.Call | None = None


_SIGNALS = {
    "signal.SIGTERM": Signal.TERMINATE,
    "signal.SIGKILL": Signal.KILL,
    "signal.SIGINT": Signal.INTERRUPT,
    "signal.SIGQUIT": Signal.INTERRUPT,
    "signal.SIGABRT": Signal.INTERRUPT,
    "signal.Signals.SIGINT": Signal.INTERRUPT,
    "signal.Signals.SIGTERM": Signal.TERMINATE,
    "signal.Signals.SIGKILL": Signal.KILL,
    "signal.CTRL_BREAK_EVENT": Signal.OTHER,
}
_SIGNAL_NUMBERS = {
    0: Signal.PROBE,
    2: Signal.INTERRUPT,
    3: Signal.INTERRUPT,
    6: Signal.INTERRUPT,
    9: Signal.KILL,
    15: Signal.TERMINATE,
}
#: Which signal counts where a test chooses between several, none of them SIGKILL.
_STRENGTH = (Signal.TERMINATE, Signal.INTERRUPT, Signal.OTHER, Signal.PROBE)
_OWN_MODULES = STANDARD_MODULES | {"psutil"}
_SMALL_WRITE = 512
_HANDLE_METHODS_BY_REFERENCE = frozenset(
    {"wait", "communicate", "poll", "join", "terminate", "kill", "send_signal", "is_alive", "close"}
)
#: What an event may come of, besides whole statements.
_TELLING_PARTS = frozenset(
    {ast.Call, ast.Attribute, ast.Await, ast.Yield, ast.YieldFrom, ast.Starred}
    | {ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp}
)
#: What a test, a loop or a `with` is known by behind it, or before its next round.
_WITHOUT_PARTS = (NodeKind.ASSUME, NodeKind.NEXT, NodeKind.EXHAUSTED, NodeKind.SKIPPED, NodeKind.LEAVE)
_BY_DESCRIPTOR = {
    "os.read": EventKind.READ,
    "os.readv": EventKind.READ,
    "os.write": EventKind.WRITE,
    "os.close": EventKind.CLOSE,
}
_ENTERING = frozenset({"enter_context", "enter_async_context"})
_DAEMON_FLAGS = frozenset({"daemon", "_daemonic"})
_STARTED_KINDS = frozenset({ResourceKind.THREAD, ResourceKind.TIMER})


def named_signal(values: Values) -> Signal:
    """The signal that a value names; UNKNOWN where it cannot be seen."""
    found = set()
    for value in values:
        match value:
            case External(name) if name in _SIGNALS:
                found.add(_SIGNALS[name])
            case External(name) if name.startswith("signal."):
                found.add(Signal.OTHER)
            case Constant(value=int(number)):
                found.add(_SIGNAL_NUMBERS.get(number, Signal.OTHER))
            case _:
                found.add(Signal.UNKNOWN)
    if Signal.KILL in found or not found or Signal.UNKNOWN in found:
        return Signal.KILL if Signal.KILL in found else Signal.UNKNOWN
    return min(found, key=_STRENGTH.index)


class EventReader:
    """Reads the events of one function off its graph."""

    def __init__(self, evaluator: Evaluator, function: Function) -> None:
        """Prepare to read `function`."""
        self._evaluator = evaluator
        self._function = function
        self._awaited: set[ast.expr] = set()
        self._timed: set[ast.expr] = set()
        self._of_library: dict[ast.expr, bool] = {}
        self._context_manager = function.is_context_manager
        self._may_hold: Callable[[ast.expr], bool] = function.may_hold or (lambda _node: True)

    def read(self) -> Iterator[Event]:
        """Yield the events in graph order; inside one step, in evaluation order."""
        names = self._function.calls_only
        if names is not None and not any(_spelled_in(call, names) for call in self._function.calls):
            return
        for step in self._evaluator.graph(self._function).nodes:
            yield from self.step(step)

    # -- one step --------------------------------------------------------------------------------------------------

    def step(self, step: Node) -> Iterator[Event]:
        """Yield the events of one graph node."""
        names = self._function.calls_only
        if names is not None and not any(_spelled_in(part, names) for part in step.parts):
            return
        if step.kind in _WITHOUT_PARTS:
            yield from self._without_parts(step)
            return
        telling = [part for part in step.parts if part.__class__ in _TELLING_PARTS]
        if telling:
            self._note_waits(telling)
        for part in telling:
            match part:
                case ast.Call():
                    yield from self._called(part, step)
                case ast.Attribute(ctx=ast.Load(), attr="returncode" | "exitcode"):
                    yield from self._status(part, step)
                case ast.Yield(value=ast.expr() as value):
                    for event in self._given_away(value, step, part):
                        lent = self._context_manager and event.kind in (EventKind.ESCAPE, EventKind.HAND_OVER)
                        yield replace(event, kind=EventKind.LEND) if lent else event
                case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                    for generator in part.generators:
                        for end in self._pipe_ends(generator.iter, step):
                            yield self._event(EventKind.READ, end, part, step, style=ReadStyle.ITERATION)
                        yield from self._read_out(generator.iter, part, step)
                case ast.Starred(value=value) | ast.YieldFrom(value=value):
                    yield from self._read_out(value, part, step)
                case _:
                    continue
        if step.kind is NodeKind.STATEMENT:
            yield from self._statement(step.item, step)
        elif step.kind is NodeKind.ENTER:
            assert isinstance(step.item, ast.withitem)
            yield from self._entered(step.item.context_expr, step)

    def _without_parts(self, step: Node) -> Iterator[Event]:
        """Yield the events of a node that evaluates nothing."""
        match step.item:
            case ast.For() | ast.AsyncFor() as loop:
                yield from self._iterated(loop.iter, step)
            case ast.withitem(context_expr=node):
                yield from self._left(node, step)
            case ast.expr() as test:
                yield from self._assumed(test, step, truth=step.truth)

    def _event(  # noqa: PLR0913 - the fields of an Event, of which each kind has a few
        self,
        kind: EventKind,
        subject: Value,
        site: ast.AST,
        step: Node,
        *,
        stream: str = "",
        timed: bool = False,
        group: bool = False,
        concurrent: bool = False,
        small: bool = False,
        style: ReadStyle | None = None,
        signal: Signal | None = None,
        call: ast.Call | None = None,
    ) -> Event:
        assert isinstance(site, ast.expr | ast.stmt | ast.excepthandler)
        return Event(
            kind, subject, site, step, self._function, stream, timed, group, concurrent, small, style, signal, call
        )

    def _eval(self, node: ast.expr, step: Node) -> Values:
        return self._evaluator.eval(node, self._function, step)

    def _held(self, node: ast.expr, step: Node) -> Values:
        """The resources, and functions that matter, that `node` stands for; perhaps other values, too."""
        return self._eval(node, step) if self._may_hold(node) else NOTHING

    def _is_given_any(self, call: ast.Call) -> bool:
        """Whether an argument of `call` may be such a value."""
        return any(map(self._may_hold, call.args)) or any(self._may_hold(keyword.value) for keyword in call.keywords)

    def _may_matter(self, func: ast.expr) -> bool:
        """Whether what is called may be a function that matters, a method of a resource, or a function of a library."""
        if isinstance(func, ast.Attribute):
            return self._may_hold(func.value) or self._may_hold(func) or self._is_of_library(func)
        return True

    def _is_of_library(self, node: ast.expr) -> bool:
        """Whether a reference starts at an import, or at `super()`."""
        way: list[ast.expr] = []
        while node not in self._of_library:
            way.append(node)
            match node:
                case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                    node = inner
                case _:
                    self._of_library[node] = isinstance(node, ast.Name) and (
                        node.id == "super" or node.id in self._evaluator.scopes.imported_names
                    )
        known = self._of_library[node]
        self._of_library.update(dict.fromkeys(way, known))
        return known

    def _pipes(self, node: ast.expr, step: Node) -> list[Pipe]:
        """The pipes that iterating over `node` reads."""
        match node:
            case ast.Call(func=ast.Name(id="iter"), args=[ast.Attribute(value=base), _]):
                return [v for v in in_order(self._held(base, step)) if isinstance(v, Pipe)]
            case ast.Call(func=ast.Name(id="iter"), args=[ast.Lambda(body=ast.Call(func=func, args=args)), _]):
                read = [func.value, *args] if isinstance(func, ast.Attribute) else args  # `os.read(fd, size)`, too
                return [v for part in read for v in in_order(self._held(part, step)) if isinstance(v, Pipe)]
            case ast.Call(func=ast.Name(id="iter"), args=[ast.Call() as partial, _]):
                return [
                    v.function.receiver
                    for v in in_order(self._held(partial, step))
                    if isinstance(v, Partial)
                    and isinstance(v.function, Method)
                    and isinstance(v.function.receiver, Pipe)
                ]
            case ast.Call(func=ast.Name(id="enumerate" | "map" | "filter" | "iter" | "zip"), args=args):
                return [pipe for arg in args for pipe in self._pipes(arg, step)]
            case ast.Call(func=ast.Attribute(attr="readlines")):
                return []
            case _:
                return [v for v in in_order(self._held(node, step)) if isinstance(v, Pipe)]

    def _pipe_ends(self, node: ast.expr, step: Node) -> list[Descriptor]:
        """The ends of an `os.pipe()` that iterating over `node` reads."""
        match node:
            case ast.Call(func=ast.Name(id="enumerate" | "map" | "filter" | "iter"), args=[*_, last]):
                return self._pipe_ends(last, step)
            case _:
                return [v for v in in_order(self._held(node, step)) if isinstance(v, Descriptor) and v.end != "both"]

    def _read_out(self, node: ast.expr, site: ast.AST, step: Node) -> Iterator[Event]:
        """A whole iteration inside one expression: a comprehension, `"".join(p.stdout)`, `[*p.stdout]`."""
        for pipe in self._pipes(node, step):
            yield self._event(EventKind.READ, pipe.handle, site, step, stream=pipe.stream, style=ReadStyle.ITERATION)
            yield self._event(EventKind.DRAIN, pipe.handle, site, step, stream=pipe.stream)

    def _iterated(self, node: ast.expr, step: Node) -> Iterator[Event]:
        if step.kind is NodeKind.NEXT:
            for end in self._pipe_ends(node, step):
                yield self._event(EventKind.READ, end, node, step, style=ReadStyle.ITERATION)
        for pipe in self._pipes(node, step):
            if step.kind is NodeKind.NEXT:
                if _ends_on_empty_text(node) and not pipe.wrapped:
                    yield self._event(EventKind.EMPTY_TEXT, pipe.handle, node, step, stream=pipe.stream)
                yield self._event(
                    EventKind.READ, pipe.handle, node, step, stream=pipe.stream, style=ReadStyle.ITERATION
                )
            else:
                yield self._event(EventKind.DRAIN, pipe.handle, node, step, stream=pipe.stream)

    def _note_waits(self, parts: list[ast.AST]) -> None:
        """See which coroutines are waited for here, through `wait_for` and its kin, and which with a time limit."""
        for part in reversed(parts):
            match part:
                case ast.Await(value=value):
                    self._awaited.add(value)
                case ast.Call(func=func, args=[first, *_]) if isinstance(func, ast.Name | ast.Attribute):
                    name = self._imported_name(func.id) if isinstance(func, ast.Name) else func.attr
                    if name in {"wait_for", "shield", "run", "run_until_complete"} and (
                        part in self._awaited or name.startswith("run")
                    ):
                        self._awaited.add(first)
                    if name == "wait_for":
                        self._timed.add(first)
                case _:
                    continue

    def _imported_name(self, name: str) -> str:
        """What a plain name is called where it is imported from; the name itself where no import binds it."""
        table = self._evaluator.scopes
        for binding in self._function.names.get(name) or table.names_of_module(name):
            if binding.kind is BindingKind.IMPORT:
                return binding.imported.rpartition(".")[2]
        return name

    # -- statements ------------------------------------------------------------------------------------------------

    def _statement(self, node: ast.AST | None, step: Node) -> Iterator[Event]:
        match node:
            case ast.Return(value=ast.expr() as value):
                yield from self._given_away(value, step, node)
            case ast.Assign(targets=targets, value=value):
                if isinstance(targets[0], ast.Tuple | ast.List):
                    yield from self._read_out(value, node, step)
                for target in targets:
                    if isinstance(target, ast.Attribute) and target.attr in _DAEMON_FLAGS:
                        yield from self._daemon_set(target.value, node, step)
                    if (
                        isinstance(target, ast.Attribute | ast.Subscript)
                        and self._may_hold(value)
                        and self._is_foreign(target, step)
                    ):
                        yield from self._given_away(value, step, node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.decorator_list:
                yield self._event(
                    EventKind.REFERENCE, FunctionReference(self._evaluator.scopes.by_node[node]), node, step
                )
            case _:
                return

    def _daemon_set(self, thread: ast.expr, site: ast.Assign, step: Node) -> Iterator[Event]:
        for value in in_order(self._held(thread, step)):
            if isinstance(value, Resource) and value.kind in _STARTED_KINDS:
                yield self._event(EventKind.DAEMON, value, site, step)

    def _is_foreign(self, target: ast.Attribute | ast.Subscript, step: Node) -> bool:
        """Whether assigning to `target` gives the value to an object out of sight."""
        values = self._eval(target.value, step)
        if isinstance(target, ast.Subscript):
            return not any(isinstance(v, Collection) for v in values) and not isinstance(target.value, ast.Name)
        own = isinstance(target.value, ast.Name) and self._is_receiver(target.value.id)
        known = {v for v in values if own or not isinstance(v, Instance) or v.site in self._function.calls}
        return not any(isinstance(v, Instance | ClassReference | Handle | Resource) for v in known)

    def _is_receiver(self, name: str) -> bool:
        """Whether `name` is `self` here: of this method, or of the one that this function is nested in."""
        for scope in (self._function, *self._function.lexical_parents()):
            if scope.owner is not None and scope.receiver == name:
                return True
            if name in scope.names:
                return False
        return False

    def _given_away(self, node: ast.expr, step: Node, site: ast.AST) -> Iterator[Event]:
        """A value leaves for code out of sight: by `return`, `yield`, or storing it in a foreign object."""
        parts = [node]
        while parts:
            part = parts.pop()
            if isinstance(part, ast.Tuple | ast.List | ast.Set):
                parts.extend(part.elts)
                continue
            if isinstance(part, ast.Dict):
                parts.extend(part.values)
                continue
            yield from self._released(self._held(part, step), site, step)
            if isinstance(part, ast.Attribute | ast.Call):
                continue

    def _released(self, values: Values, site: ast.AST, step: Node) -> Iterator[Event]:
        """The events of handing `values` to somebody out of sight."""
        for value in in_order(values):
            match value:
                case Handle():
                    yield self._event(EventKind.ESCAPE, value, site, step)
                case Pipe():
                    yield self._event(EventKind.HAND_OVER, value.handle, site, step, stream=value.stream)
                case Collection():
                    for element in in_order(self._evaluator.elements(frozenset({value}))):
                        if isinstance(element, Handle):
                            yield self._event(EventKind.ESCAPE, element, site, step)
                        elif isinstance(element, Pipe):
                            yield self._event(EventKind.HAND_OVER, element.handle, site, step, stream=element.stream)
                        elif isinstance(element, Descriptor):
                            yield self._event(EventKind.ESCAPE, element, site, step)
                        elif isinstance(element, FunctionReference):
                            yield self._event(EventKind.REFERENCE, element, site, step, concurrent=True)
                case Method() | Partial():
                    yield from self._by_reference(value, site, step)
                case FunctionReference():
                    yield self._event(EventKind.REFERENCE, value, site, step, concurrent=True)
                case Resource() | Descriptor():
                    yield self._event(EventKind.ESCAPE, value, site, step)
                case _:
                    continue

    # -- tests -----------------------------------------------------------------------------------------------------

    def _assumed(self, test: ast.expr, step: Node, *, truth: bool) -> Iterator[Event]:
        """What is known once `test` has come out as `truth`."""
        match test:
            case ast.Compare(left=ast.Call(func=ast.Name(id="len"), args=[inner]), ops=[op], comparators=[size]):
                yield from self._measured(inner, op, size, step, test, truth=truth)
            case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(value=None)]):
                yield from self._known(left, step, test, none=truth, falsy=truth)
            case ast.Compare(left=left, ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(value=None)]):
                yield from self._known(left, step, test, none=not truth, falsy=not truth)
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=value)]):
                yield from self._compared(left, value, step, test, equal=truth)
            case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[ast.Constant(value=value)]):
                yield from self._compared(left, value, step, test, equal=not truth)
            case ast.Compare(
                left=left,
                ops=[ast.In() | ast.NotIn() as op],
                comparators=[ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts)],
            ) if elts and all(isinstance(e, ast.Constant) and e.value in (None, "", b"") for e in elts):
                yield from self._known(left, step, test, none=None, falsy=truth is isinstance(op, ast.In))
            case ast.Compare(left=ast.Constant(), ops=[op], comparators=[right]) if isinstance(
                op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot
            ):
                turned = ast.Compare(right, [op], [test.left])
                yield from self._assumed(ast.copy_location(turned, test), step, truth=truth)
            case ast.Compare():
                return
            case ast.Call(func=ast.Name(id="len" | "bool"), args=[inner]):
                yield from self._known(inner, step, test, none=None, falsy=not truth)
            case ast.Call(func=ast.Attribute(attr="at_eof", value=stream)) if truth:
                for pipe in self._pipes(stream, step):
                    yield self._event(EventKind.DRAIN, pipe.handle, test, step, stream=pipe.stream)
            case ast.Call(func=ast.Name(id="isinstance"), args=[inner, types]):
                yield from self._told_apart(inner, types, step, test, truth=truth)
            case _:
                yield from self._known(test, step, test, none=None, falsy=not truth)

    def _told_apart(
        self, node: ast.expr, types: ast.expr, step: Node, test: ast.expr, *, truth: bool
    ) -> Iterator[Event]:
        """A handle of another library than `isinstance` asks for is not what `node` stands for behind the test."""
        asked = types.elts if isinstance(types, ast.Tuple) else [types]
        families = {self._evaluator.annotated_family(t, self._function) for t in asked}
        if None in families or isinstance(types, ast.BinOp):
            return
        for value in in_order(self._held(node, step)):
            if isinstance(value, Handle) and (value.family in families) is not truth:
                yield self._event(EventKind.ABSENT, value, test, step)

    def _measured(
        self, node: ast.expr, op: ast.cmpop, size: ast.expr, step: Node, test: ast.expr, *, truth: bool
    ) -> Iterator[Event]:
        """What is known of `node` by its length: a read that gives less than it is asked for is the last."""
        if isinstance(size, ast.Constant) and size.value == 0:
            yield from self._known(node, step, test, none=None, falsy=truth is isinstance(op, ast.Eq | ast.LtE))
        elif truth is isinstance(op, ast.Lt | ast.NotEq) and not isinstance(op, ast.Gt | ast.LtE):
            for value in in_order(self._held(node, step)):
                if isinstance(value, ReadResult):
                    yield self._event(EventKind.DRAIN, value.pipe.handle, test, step, stream=value.pipe.stream)

    def _compared(self, left: ast.expr, value: object, step: Node, test: ast.expr, *, equal: bool) -> Iterator[Event]:
        subjects = self._held(left, step)
        decoded = any(isinstance(s, Unknown) or (isinstance(s, ReadResult) and s.pipe.wrapped) for s in subjects)
        for subject in in_order(subjects):
            match subject:
                case Derived(HandlePart.POLL_RESULT, handle) if isinstance(value, int) and equal:
                    yield self._event(EventKind.ENDED, handle, test, step)
                case ReadResult(pipe) if value in ("", b"") and equal:
                    if value == "" and not decoded:
                        yield self._event(EventKind.EMPTY_TEXT, pipe.handle, test, step, stream=pipe.stream)
                    yield self._event(EventKind.DRAIN, pipe.handle, test, step, stream=pipe.stream)
                case _:
                    continue

    def _known(self, node: ast.expr, step: Node, test: ast.expr, *, none: bool | None, falsy: bool) -> Iterator[Event]:
        """What a test for None (`none`) or for truth (`none` is None) tells of the values of `node`."""
        alive = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"is_alive", "is_running"}
        )
        for value in in_order(self._held(node, step)):
            match value:
                case Derived(HandlePart.POLL_RESULT, handle):
                    if alive:
                        kind = EventKind.ENDED if falsy else EventKind.RUNNING
                    elif none is None:
                        kind = EventKind.RUNNING if falsy else EventKind.ENDED
                    else:
                        kind = EventKind.RUNNING if none else EventKind.ENDED
                    yield self._event(kind, handle, test, step)
                case Handle() if falsy:
                    yield self._event(EventKind.ABSENT, value, test, step)
                case Pipe(handle, stream) if falsy:
                    yield self._event(EventKind.CLOSE, handle, test, step, stream=stream)
                case Collection() if falsy and none is None:
                    for element in in_order(self._evaluator.elements(frozenset({value}))):
                        if isinstance(element, Pipe):  # a list of pipes still to be read has become empty
                            yield self._event(EventKind.DRAIN, element.handle, test, step, stream=element.stream)
                case ReadResult(pipe) if falsy:
                    yield self._event(EventKind.DRAIN, pipe.handle, test, step, stream=pipe.stream)
                case Resource() if falsy:
                    yield self._event(EventKind.ABSENT, value, test, step)
                case _:
                    continue

    def _status(self, node: ast.Attribute, step: Node) -> Iterator[Event]:
        for value in in_order(self._held(node, step)):
            if isinstance(value, Derived) and value.part is HandlePart.POLL_RESULT:
                kind = EventKind.POLL if value.handle.family is Family.MULTIPROCESSING else EventKind.STATUS
                yield self._event(kind, value.handle, node, step)

    # -- with ------------------------------------------------------------------------------------------------------

    def _entered(self, node: ast.expr, step: Node) -> Iterator[Event]:
        for value in in_order(self._evaluator.entered(node, self._function, step, ())):
            match value:
                case Handle():
                    yield self._event(EventKind.ENTER, value, node, step)
                case Resource(kind=ResourceKind.LOCK | ResourceKind.PROCESS_LOCK | ResourceKind.REENTRANT_LOCK):
                    yield self._event(EventKind.ACQUIRE, value, node, step)
                case Resource():
                    yield self._event(EventKind.ENTER, value, node, step)
                case _:
                    continue

    def _left(self, node: ast.expr, step: Node) -> Iterator[Event]:
        for value in in_order(self._held(node, step)):
            match value:
                case Handle():
                    yield self._event(EventKind.LEAVE, value, node, step)
                case Pipe(handle, stream):
                    yield self._event(EventKind.CLOSE, handle, node, step, stream=stream)
                case Resource(kind=ResourceKind.LOCK | ResourceKind.PROCESS_LOCK | ResourceKind.REENTRANT_LOCK):
                    yield self._event(EventKind.RELEASE, value, node, step)
                case Resource():
                    yield self._event(EventKind.LEAVE, value, node, step)
                case Descriptor():
                    yield self._event(EventKind.CLOSE, value, node, step)
                case _:
                    continue

    # -- calls -----------------------------------------------------------------------------------------------------

    def _called(self, call: ast.Call, step: Node) -> Iterator[Event]:
        gives = self._is_given_any(call)
        callees = list(in_order(self._eval(call.func, step))) if gives or self._may_matter(call.func) else []
        in_sight = False
        for callee in callees:
            match callee:
                case Method(receiver=Handle() as handle, name=name):
                    yield from self._handle_method(handle, name, call, step)
                case Method(receiver=Pipe() as pipe, name=name):
                    yield from self._pipe_method(pipe, name, call, step)
                case Method(receiver=Resource() as resource, name=name):
                    yield from self._resource_method(resource, name, call, step)
                    in_sight = in_sight or (resource.kind is ResourceKind.EXIT_STACK and name in _ENTERING)
                case Method(receiver=Derived() as derived, name=name):
                    yield from self._derived_method(derived, name, call, step)
                case Method(receiver=Descriptor() as descriptor, name=name):
                    yield from self._descriptor_method(descriptor, name, call, step)
                case External(name):
                    yield from self._external(name, call, step)
                    in_sight = in_sight or name in INSPECTING or name in TRANSPARENT
                case FunctionReference(function=inner):
                    in_sight = True
                    later = inner.is_async and call not in self._awaited
                    yield self._event(
                        EventKind.REFERENCE if later else EventKind.CALL,
                        callee,
                        call,
                        step,
                        concurrent=later,
                        call=call,
                    )
                case ClassReference(cls):
                    init = self._evaluator.find_method(cls, "__init__")
                    if init is not None:
                        in_sight = True
                        yield self._event(EventKind.CALL, FunctionReference(init), call, step, call=call)
                case Partial():
                    yield from self._by_reference(callee, call, step)
                case _:
                    continue
        yield from self._unresolved_method(call, step)
        if gives and not self._keeps_nothing(call, callees, step):
            somebody_else = any(isinstance(c, Parameter | Unknown) for c in callees)
            yield from self._arguments(call, step, in_sight=in_sight and not somebody_else)
        for value in in_order(self._held(call, step)):
            if (isinstance(value, Handle) and value.origin is call) or (
                isinstance(value, Resource | Descriptor) and value.site is call
            ):
                yield self._event(EventKind.CREATE, value, call, step, call=call)

    def _keeps_nothing(self, call: ast.Call, callees: list[Value], step: Node) -> bool:
        """Whether a call only looks at its arguments or stores them where the analysis follows."""
        if any(isinstance(c, External) and c.name in INSPECTING and c.name not in READS_TO_END for c in callees):
            return True
        if isinstance(call.func, ast.Attribute):
            unknown = all(isinstance(c, Unknown | External) for c in callees)
            if call.func.attr in CONTAINER_METHODS:
                return unknown and self._is_collection(call.func.value, step)
            return unknown and call.func.attr in LOGGING_METHODS and External("os.path.join") not in callees
        return False

    def _is_collection(self, node: ast.expr, step: Node) -> bool:
        """Whether `node`, or what it is an element of, is a collection that the analysis follows."""
        while isinstance(node, ast.Subscript):
            node = node.value
        return any(isinstance(v, Collection) for v in self._eval(node, step))

    def _arguments(self, call: ast.Call, step: Node, *, in_sight: bool) -> Iterator[Event]:
        """What a call may do with what it is given."""
        stack = [*(k.value for k in reversed(call.keywords)), *reversed(call.args)]
        given = tuple(stack)
        calls_back = cache(lambda: any(isinstance(v, FunctionReference) for n in given for v in self._eval(n, step)))
        while stack:
            node = stack.pop()
            if node.__class__ is ast.Constant:
                continue
            if isinstance(node, ast.Starred):
                node = node.value
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                stack.extend(reversed(node.elts))
                continue
            if isinstance(node, ast.Dict):
                stack.extend(reversed(node.values))
                continue
            if isinstance(node, ast.Call) and node not in self._awaited and self._is_coroutine(node, step):
                continue
            follow = self._may_hold(node) or self._is_of_library(node)
            for value in in_order(self._eval(node, step) if follow else NOTHING):
                match value:
                    case Handle() if not in_sight and value.origin is not call and not calls_back():
                        yield self._event(EventKind.ESCAPE, value, call, step)
                    case Pipe(handle, stream):
                        yield self._event(EventKind.HAND_OVER, handle, call, step, stream=stream, call=call)
                    case Method() | Partial():
                        yield from self._by_reference(value, call, step)
                    case FunctionReference():
                        yield self._event(EventKind.REFERENCE, value, call, step, concurrent=True, call=call)
                    case External("os.kill" | "os.killpg" as name):
                        yield from self._kill_by_reference(name, call, step)
                    case Derived(HandlePart.PID, handle) if self._is_foreign_call(call, step):
                        yield self._event(EventKind.TELL, handle, call, step)
                    case Collection() if not in_sight and not calls_back():
                        yield from self._released(frozenset({value}), call, step)
                    case Resource() | Descriptor() if not in_sight:
                        yield self._event(EventKind.ESCAPE, value, call, step, call=call)
                    case _:
                        continue

    def _is_foreign_call(self, call: ast.Call, step: Node) -> bool:
        """Whether a call goes to a function that an import of something else than the standard library binds."""
        names = (v.name for v in self._eval(call.func, step) if isinstance(v, External))
        return any(name.partition(".")[0] not in _OWN_MODULES for name in names)

    def _kill_by_reference(self, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        """`Timer(5, os.kill, (p.pid, SIGKILL))`: the pid and the signal stand somewhere behind the function."""
        behind = [
            v.elts if isinstance(v, ast.Tuple | ast.List) else [v]
            for v in (*call.args, *(k.value for k in call.keywords))
        ]
        nodes = [node for group in behind for node in group]
        for target, signal in pairwise(nodes):
            for value in in_order(self._held(target, step)):
                if isinstance(value, Derived) and value.part in (HandlePart.PID, HandlePart.GROUP):
                    sent, group = named_signal(self._eval(signal, step)), name == "os.killpg"
                    yield self._event(
                        EventKind.SIGNAL, value.handle, call, step, signal=sent, group=group, concurrent=True, call=call
                    )

    def _is_coroutine(self, node: ast.Call, step: Node) -> bool:
        """Whether `node` is an unawaited coroutine of an asyncio stream or handle (its own event tells the rest)."""
        return any(
            isinstance(v, Method)
            and (
                (isinstance(v.receiver, Handle) and v.receiver.family is Family.ASYNCIO)
                or (isinstance(v.receiver, Pipe) and v.receiver.handle.family is Family.ASYNCIO)
            )
            for v in self._eval(node.func, step)
        )

    def _by_reference(self, value: Value, site: ast.AST, step: Node) -> Iterator[Event]:
        """A bound method is handed on: `Timer(5, p.kill)`, `Thread(target=p.stdout.read)`, `to_thread(p.wait)`."""
        blocking = isinstance(site, ast.Call) and site in self._awaited and self._runs_in_thread(site, step)
        match value:
            case Partial(function=inner):
                if isinstance(inner, FunctionReference):
                    yield self._event(EventKind.REFERENCE, inner, site, step, concurrent=True)
                else:
                    yield from self._by_reference(inner, site, step)
            case Method(receiver=Pipe(handle, stream) as pipe, name=name):
                if blocking and name in READING_METHODS:
                    yield self._event(EventKind.READ, handle, site, step, stream=pipe.stream, style=ReadStyle.TO_END)
                yield self._event(EventKind.HAND_OVER, handle, site, step, stream=stream)
            case Method(receiver=Handle() as handle, name=name) if name in _HANDLE_METHODS_BY_REFERENCE:
                match name:
                    case "wait" | "join" if blocking:
                        yield self._event(EventKind.WAIT, handle, site, step)
                    case "communicate":
                        yield self._event(EventKind.COMMUNICATE, handle, site, step, concurrent=not blocking)
                    case "terminate" | "kill" | "send_signal":
                        signal = {"terminate": Signal.TERMINATE, "kill": Signal.KILL}.get(name, Signal.UNKNOWN)
                        yield self._event(EventKind.SIGNAL, handle, site, step, signal=signal, concurrent=True)
                    case _:
                        yield self._event(EventKind.REAP, handle, site, step, concurrent=True)
            case Method(receiver=Resource() as resource, name=name):
                yield from self._resource_by_reference(resource, name, site, step)
            case _:
                return

    def _resource_by_reference(self, resource: Resource, name: str, site: ast.AST, step: Node) -> Iterator[Event]:
        kinds = {"cancel": EventKind.CANCEL, "set": EventKind.SET, "join": EventKind.WAIT, "start": EventKind.START}
        if resource.kind is ResourceKind.QUEUE:
            kinds = {
                "put": EventKind.PUT,
                "put_nowait": EventKind.PUT,
                "get": EventKind.GET,
                "get_nowait": EventKind.GET,
            }
        if name in kinds:
            yield self._event(kinds[name], resource, site, step, concurrent=True)

    def _runs_in_thread(self, call: ast.Call, step: Node) -> bool:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "run_in_executor":
            return True
        return any(isinstance(v, External) and v.name == "asyncio.to_thread" for v in self._eval(call.func, step))

    # -- methods of handles and pipes ------------------------------------------------------------------------------

    def _handle_method(self, handle: Handle, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        blocking = handle.family is not Family.ASYNCIO or call in self._awaited
        match name:
            case "wait" | "join" if (name == "join") == (handle.family is Family.MULTIPROCESSING):
                kind = EventKind.WAIT if blocking else EventKind.REAP
                yield self._event(
                    kind, handle, call, step, timed=self._has_timeout(call, step), concurrent=not blocking
                )
            case "communicate":
                yield self._event(
                    EventKind.COMMUNICATE,
                    handle,
                    call,
                    step,
                    timed=self._has_timeout(call, step, 1),
                    concurrent=not blocking,
                )
            case "poll" | "is_alive":
                yield self._event(EventKind.POLL, handle, call, step)
            case "terminate":
                yield self._event(EventKind.SIGNAL, handle, call, step, signal=Signal.TERMINATE)
            case "kill":
                yield self._event(EventKind.SIGNAL, handle, call, step, signal=Signal.KILL)
            case "send_signal":
                signal = named_signal(self._eval(call.args[0], step)) if call.args else Signal.UNKNOWN
                yield self._event(EventKind.SIGNAL, handle, call, step, signal=signal)
            case "start" | "run" if handle.family is Family.MULTIPROCESSING:
                if name == "start":
                    yield self._event(EventKind.START, handle, call, step)
            case "close" if handle.family is Family.MULTIPROCESSING:
                yield self._event(EventKind.REAP, handle, call, step)
            case "__exit__" | "__aexit__":
                yield self._event(EventKind.LEAVE, handle, call, step)
            case _:
                return

    def _has_timeout(self, call: ast.Call, step: Node, position: int = 0) -> bool:
        """Whether a wait gives up by itself: a timeout that is not the literal None, or `wait_for` around it."""
        if call in self._timed:
            return True
        given = call.args[position] if len(call.args) > position else None
        given = next((k.value for k in call.keywords if k.arg == "timeout"), given)
        if given is None:
            return False
        return self._eval(given, step) != frozenset({Constant(None)})

    def _gives_up(self, call: ast.Call, step: Node) -> bool:
        """Whether an `acquire` comes back without the lock at some time: not blocking, or with a timeout."""
        if call.args and self._eval(call.args[0], step) != frozenset({Constant(True)}):
            return True
        blocking = next((k.value for k in call.keywords if k.arg in {"blocking", "block"}), None)
        if blocking is not None and self._eval(blocking, step) != frozenset({Constant(True)}):
            return True
        return self._has_timeout(call, step, 1)

    def _pipe_method(self, pipe: Pipe, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        handle, stream = pipe.handle, pipe.stream
        blocking = handle.family is not Family.ASYNCIO or call in self._awaited
        match name:
            case "read" | "readlines" | "readall" if self._reads_all(call, step):
                if blocking:
                    style = ReadStyle.BY_CALLEE if pipe.wrapped else ReadStyle.TO_END
                    yield self._event(
                        EventKind.READ, handle, call, step, stream=stream, style=style, timed=call in self._timed
                    )
                    yield self._event(EventKind.DRAIN, handle, call, step, stream=stream)
                else:
                    yield self._event(EventKind.HAND_OVER, handle, call, step, stream=stream)
            case _ if name in READING_METHODS:
                if blocking:
                    yield self._event(
                        EventKind.READ,
                        handle,
                        call,
                        step,
                        stream=stream,
                        style=ReadStyle.PARTIAL,
                        timed=call in self._timed,
                    )
                else:
                    yield self._event(EventKind.HAND_OVER, handle, call, step, stream=stream)
            case "close" | "write_eof" | "__exit__" | "feed_eof" | "detach":
                yield self._event(EventKind.CLOSE, handle, call, step, stream=stream)
            case "write" | "writelines":
                small = bool(call.args) and self._is_small(call.args[0], step)
                yield self._event(EventKind.WRITE, handle, call, step, stream=stream, small=small)
            case _:
                return

    def _reads_all(self, call: ast.Call, step: Node) -> bool:
        if not call.args and not call.keywords:
            return True
        if len(call.args) == 1 and not call.keywords:
            values = self._eval(call.args[0], step)
            return values in (frozenset({Constant(-1)}), frozenset({Constant(None)}))
        return False

    def _is_small(self, node: ast.expr, step: Node) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr="encode", value=inner)):
                return self._is_small(inner, step)
            case _:
                values = self._eval(node, step)
        return bool(values) and all(
            isinstance(v, Constant) and isinstance(v.value, str | bytes) and len(v.value) < _SMALL_WRITE for v in values
        )

    # -- methods of other resources --------------------------------------------------------------------------------

    def _resource_method(self, resource: Resource, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        match resource.kind, name:
            case ResourceKind.THREAD | ResourceKind.TIMER | ResourceKind.MANAGER, "start":
                yield self._event(EventKind.START, resource, call, step)
                run = self._evaluator.find_method(resource.cls, "run") if resource.cls is not None else None
                if run is not None and resource.kind is ResourceKind.THREAD:
                    yield self._event(EventKind.REFERENCE, FunctionReference(run), call, step, concurrent=True)
            case ResourceKind.THREAD | ResourceKind.TIMER | ResourceKind.POOL, "join":
                yield self._event(EventKind.WAIT, resource, call, step, timed=self._has_timeout(call, step))
            case ResourceKind.THREAD | ResourceKind.TIMER, "setDaemon":
                yield self._event(EventKind.DAEMON, resource, call, step, call=call)
            case ResourceKind.TIMER, "cancel":
                yield self._event(EventKind.CANCEL, resource, call, step)
            case ResourceKind.EXECUTOR | ResourceKind.PROCESS_EXECUTOR, "submit" | "map":
                yield self._event(EventKind.SUBMIT, resource, call, step, call=call)
            case (
                ResourceKind.EXECUTOR | ResourceKind.POOL,
                "apply" | "apply_async" | "imap" | "imap_unordered" | "map" | "map_async" | "starmap" | "starmap_async",
            ):
                yield self._event(EventKind.SUBMIT, resource, call, step, call=call)
            case _, "acquire":
                yield self._event(EventKind.ACQUIRE, resource, call, step, timed=self._gives_up(call, step))
            case _, "release":
                yield self._event(EventKind.RELEASE, resource, call, step)
            case ResourceKind.QUEUE, "put" | "put_nowait":
                yield self._event(EventKind.PUT, resource, call, step)
            case ResourceKind.QUEUE, "get" | "get_nowait":
                yield self._event(EventKind.GET, resource, call, step)
            case ResourceKind.EXIT_STACK, _ if name in _ENTERING:
                for value in in_order(self._held(call.args[0], step) if call.args else NOTHING):
                    if isinstance(value, Handle):  # the stack leaves it in the end, which closes its pipes and waits
                        yield self._event(EventKind.LEND, value, call, step)
                        yield self._event(EventKind.REAP, value, call, step, concurrent=True)
            case ResourceKind.EVENT, "set" | "clear":
                yield self._event(EventKind.SET if name == "set" else EventKind.CLEAR, resource, call, step)
            case ResourceKind.SOCKET, "set_inheritable":
                yield self._event(EventKind.INHERIT, resource, call, step, call=call)
            case ResourceKind.SOCKET, "listen" | "bind":
                yield self._event(EventKind.SET, resource, call, step)
            case _:
                return

    def _descriptor_method(self, descriptor: Descriptor, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        match name:
            case "close" | "__exit__":
                yield self._event(EventKind.CLOSE, descriptor, call, step)
            case "read" | "readlines" | "readline":
                yield self._event(
                    EventKind.READ,
                    descriptor,
                    call,
                    step,
                    style=ReadStyle.TO_END if not call.args else ReadStyle.PARTIAL,
                )
            case "write" | "writelines":
                yield self._event(EventKind.WRITE, descriptor, call, step)
            case _:
                return

    def _derived_method(self, derived: Derived, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        if derived.part not in (HandlePart.PSUTIL, HandlePart.DESCENDANTS):
            return
        group = derived.part is HandlePart.DESCENDANTS
        match name:
            case "terminate" | "kill":
                signal = Signal.TERMINATE if name == "terminate" else Signal.KILL
                yield self._event(EventKind.SIGNAL, derived.handle, call, step, signal=signal, group=group)
            case "send_signal":
                signal = named_signal(self._eval(call.args[0], step)) if call.args else Signal.UNKNOWN
                yield self._event(EventKind.SIGNAL, derived.handle, call, step, signal=signal, group=group)
            case "wait" if not group:
                yield self._event(EventKind.REAP, derived.handle, call, step)
            case _:
                return

    def _unresolved_method(self, call: ast.Call, step: Node) -> Iterator[Event]:
        """Calls known by their method's name alone because nothing else is called so: `loop.run_in_executor`."""
        match call.func:
            case ast.Attribute(attr="run_in_executor") if call.args:
                values = self._eval(call.args[0], step)
                if any(isinstance(v, Constant) and v.value is None for v in values):
                    yield self._event(EventKind.EXTERNAL, External("asyncio.to_thread"), call, step, call=call)
                for value in in_order(values):
                    if isinstance(value, Resource) and value.kind in (
                        ResourceKind.EXECUTOR,
                        ResourceKind.PROCESS_EXECUTOR,
                    ):
                        yield self._event(EventKind.SUBMIT, value, call, step, call=call)
            case ast.Attribute(attr="join" | "writelines" | "extend") if call.args:
                yield from self._read_out(call.args[0], call, step)
            case _:
                return

    # -- calls by name ----------------------------------------------------------------------------------------------

    def _external(self, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        yield self._event(EventKind.EXTERNAL, External(name), call, step, call=call)
        if name in FORKS:
            yield self._event(EventKind.FORK, External(name), call, step, call=call)
        match name, call.args:
            case "os.kill" | "os.killpg" | "signal.pidfd_send_signal", [target, signal, *_]:
                for value in in_order(self._held(target, step)):
                    if isinstance(value, Derived) and value.part in (HandlePart.PID, HandlePart.GROUP):
                        yield self._event(
                            EventKind.SIGNAL,
                            value.handle,
                            call,
                            step,
                            signal=named_signal(self._eval(signal, step)),
                            group=name == "os.killpg",
                            call=call,
                        )
            case "os.waitpid" | "os.wait4" | "os.waitid" | "psutil.wait_procs", [target, *_]:
                targets = self._held(target, step)
                for value in (*in_order(targets), *in_order(self._evaluator.elements(targets))):
                    if isinstance(value, Derived) and value.part in (HandlePart.PID, HandlePart.PSUTIL):
                        yield self._event(EventKind.REAP, value.handle, call, step)
                    elif isinstance(value, Handle):
                        yield self._event(EventKind.REAP, value, call, step)
            case "os.setpgid", [target, _]:
                for value in in_order(self._held(target, step)):
                    if isinstance(value, Derived):
                        yield self._event(EventKind.GROUP, value.handle, call, step)
            case _, [fd, *_] if name in _BY_DESCRIPTOR:
                yield from self._descriptor_event(_BY_DESCRIPTOR[name], fd, call, step)
            case "builtins.print", _:
                for keyword in call.keywords:
                    if keyword.arg == "file":
                        yield from self._descriptor_event(EventKind.WRITE, keyword.value, call, step)
            case _ if name in READS_LAZILY:
                yield from self._read_lazily(name, call, step)
            case "multiprocessing.active_children", _:
                yield self._event(EventKind.REAP, External(name), call, step)
            case _ if name in READS_TO_END:
                yield from self._read_by_callee(call, step)
            case _ if name in RUNS_COMMANDS:
                yield from self._signalled_by_program(call, step)
            case _ if name.startswith(("subprocess.Popen.", "multiprocessing.Process.")) and call.args:
                method = name.rpartition(".")[2]
                bare = ast.copy_location(ast.Call(call.func, call.args[1:], call.keywords), call)
                for value in in_order(self._held(call.args[0], step)):
                    if isinstance(value, Handle):
                        for event in self._handle_method(value, method, bare, step):
                            yield self._event(event.kind, value, call, step, timed=event.timed, signal=event.signal)
            case _ if name.startswith(("threading.Thread.", "threading.Timer.")) and call.args:
                bare = ast.copy_location(ast.Call(call.func, call.args[1:], call.keywords), call)
                for value in in_order(self._held(call.args[0], step)):
                    if isinstance(value, Resource):
                        for event in self._resource_method(value, name.rpartition(".")[2], bare, step):
                            yield self._event(event.kind, value, call, step, timed=event.timed)
            case _ if name.startswith("builtins.super."):
                yield from self._super_method(name.rpartition(".")[2], call, step)
            case _:
                return

    def _read_lazily(self, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        """`next(pipe)`, or an iterator over a pipe or queue; how far somebody follows one that is kept is not seen."""
        if name == "builtins.iter" and len(call.args) > 1:
            for value in in_order(self._held(call.args[0], step)):
                match value:
                    case Method(receiver=Resource() as resource, name="get" | "get_nowait" as method):
                        yield from self._resource_method(resource, method, call, step)
                    case _:
                        continue
        if step.kind is NodeKind.EVALUATE and step.item is call:
            return  # a loop runs over it
        read = call.args[0] if name == "builtins.next" and call.args else call
        for pipe in self._pipes(read, step):
            handle, stream = pipe.handle, pipe.stream
            if name == "builtins.next":
                yield self._event(EventKind.READ, handle, call, step, stream=stream, style=ReadStyle.PARTIAL)
            yield self._event(EventKind.HAND_OVER, handle, call, step, stream=stream)

    def _signalled_by_program(self, call: ast.Call, step: Node) -> Iterator[Event]:
        """`subprocess.run(["taskkill", "/PID", str(p.pid)])`, `os.system(f"kill {p.pid}")`: some signal."""
        parts = list(walk(call))
        if any(isinstance(p, ast.Constant) and isinstance(p.value, str) and SENDS_SIGNAL in p.value for p in parts):
            for part in parts:
                for value in in_order(self._held(part, step)) if isinstance(part, ast.Name | ast.Attribute) else ():
                    if isinstance(value, Derived) and value.part in (HandlePart.PID, HandlePart.GROUP):
                        yield self._event(EventKind.TELL, value.handle, call, step, signal=Signal.UNKNOWN)

    def _super_method(self, name: str, call: ast.Call, step: Node) -> Iterator[Event]:
        """`super().terminate()` inside a subclass of a handle or thread: the event happens to `self`."""
        scope: Function | None = self._function
        while scope is not None and scope.owner is None:
            scope = scope.parent
        if scope is None or scope.owner is None:
            return
        for base in self._evaluator.bases(scope.owner):
            method = base.methods.get(name)
            if method is not None:
                yield self._event(EventKind.CALL, FunctionReference(method), call, step, call=call)
                return
        made = self._evaluator.instantiate(scope.owner, scope.owner.node, ())
        if isinstance(made, Handle):
            yield from self._handle_method(made, name, call, step)
        elif isinstance(made, Resource):
            yield from self._resource_method(made, name, call, step)

    def _read_by_callee(self, call: ast.Call, step: Node) -> Iterator[Event]:
        for arg in call.args:
            for pipe in self._pipes(arg, step):
                yield self._event(
                    EventKind.READ, pipe.handle, call, step, stream=pipe.stream, style=ReadStyle.BY_CALLEE
                )
            for value in in_order(self._held(arg, step)):
                if isinstance(value, Descriptor):
                    yield self._event(EventKind.READ, value, call, step, style=ReadStyle.BY_CALLEE)

    def _descriptor_event(self, kind: EventKind, node: ast.expr, call: ast.Call, step: Node) -> Iterator[Event]:
        """Read, write or close by a file descriptor or file object."""
        for value in in_order(self._held(node, step)):
            match value:
                case Pipe(handle, stream):
                    style = ReadStyle.PARTIAL if kind is EventKind.READ else None
                    small = kind is EventKind.WRITE and bool(call.args) and self._is_small(call.args[-1], step)
                    yield self._event(kind, handle, call, step, stream=stream, style=style, small=small)
                case Descriptor():
                    yield self._event(
                        kind, value, call, step, style=ReadStyle.PARTIAL if kind is EventKind.READ else None
                    )
                case _:
                    continue


def _ends_on_empty_text(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="iter"), args=[_, ast.Constant(value="")]):
            return True
        case ast.Call(func=ast.Name(id="enumerate" | "map" | "filter"), args=[*_, last]):
            return _ends_on_empty_text(last)
        case _:
            return False


def _spelled_in(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether `node` is a name or attribute, or calls or passes on one, that is among `names`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
        case ast.Call(func=func, args=args, keywords=keywords):
            return any(_spelled_in(part, names) for part in (func, *args, *(k.value for k in keywords)))
        case _:
            return False
