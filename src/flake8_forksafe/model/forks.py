"""Forks: what the child does after `os.fork()`, where it leaves its branch, and which locks are held meanwhile."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Iterator
from dataclasses import field
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.events import Event, EventKind, Signal, named_signal
from flake8_forksafe.model.hooks import Hooks
from flake8_forksafe.model.locks import Locks
from flake8_forksafe.model.scopes import BindingKind, Function
from flake8_forksafe.model.values import Constant, Derived, External, FunctionReference, HandlePart
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import EXITS_AT_ONCE, RAISES_SYSTEM_EXIT
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


class Side(Enum):
    """Which of the two processes goes on after a fork."""

    CHILD = auto()
    PARENT = auto()


class Way(Enum):
    """How a child gets out of its branch and into code that is its parent's; the value says it of the child."""

    RETURNS = "returns to the parent's caller"
    FORKS_AGAIN = "goes on with the parent's loop and forks in turn"
    RUNS_ON = "runs on into the parent's code"
    SYSTEM_EXIT = "leaves by SystemExit"  # every finally, `with` and `except` around the fork runs, and atexit
    RAISES = "leaves by an exception"  # a `raise` statement


class Departure(NamedTuple):
    """One way out of a child branch; `node` is the syntax at which it happens."""

    way: Way
    node: ast.AST

    @property
    def place(self) -> Related:
        """The place, for a report that rests on it."""
        node = self.node
        assert isinstance(node, ast.expr | ast.stmt | ast.excepthandler)
        return Related(Span.of(node), "the child leaves its branch here")


class _Trigger(Enum):
    """By what an exception comes about."""

    EXPECTED = auto()  # some call may raise it; matters only where the program catches it
    STATED = auto()  # a `raise` statement
    SYSTEM_EXIT = auto()


class _Raised(NamedTuple):
    """An exception on its way; `type` is the builtin class, None where it is any other."""

    trigger: _Trigger
    type: type[BaseException] | None
    node: ast.AST


class _End(Enum):
    """How a call of a function of the module can end, other than by ending the process."""

    RETURN = auto()
    SYSTEM_EXIT = auto()
    RAISE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class ForkSite:
    """A call of `os.fork()`, or of a function of the module that returns what `os.fork()` gave it.

    Attributes:
        call: the call.
        function: the function in which it stands.
        steps: the graph nodes that evaluate it.
    """

    call: ast.Call
    function: Function
    steps: tuple[Node, ...]


class _State(NamedTuple):
    node: Node
    separated: bool
    raised: _Raised | None
    returning: ast.Return | None


@dataclass(slots=True, eq=False)
class Region:
    """What one of the two processes may run of the forking function after the fork.

    Attributes:
        nodes: the steps it may reach.
        separated: those of them reached over a test that tells child and parent apart.
        returns: the `return` statements it may leave by; None for the end of the body.
        departures: where it leaves, to be judged against what the other process does.
        ends_process: whether it may end the process, by any means.
    """

    nodes: set[Node] = field(default_factory=set)
    separated: set[Node] = field(default_factory=set)
    returns: dict[ast.Return | None, ast.AST] = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)
    ends_process: bool = False


class Forks:
    """The forks of one module."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._ends: dict[Function, frozenset[_End]] = {}
        self.hooks = Hooks(model)
        self.locks = Locks(model)

    # -- sites -------------------------------------------------------------------------------------------------------

    @cached_property
    def sites(self) -> list[ForkSite]:
        """Every `os.fork()` that the target platform can reach, and every call that hands its result on."""
        found: dict[ast.AST, ForkSite] = {}
        flow = self._model.flow
        for event in (*self._model.threads.forks, *flow.of_kind(EventKind.CALL)):
            call = event.call
            if call is None or call in found:
                continue
            if event.subject == External("os.fork") or self._is_wrapper(event, call):
                site = self._site(event)
                if site is not None:
                    found[call] = site
        return sorted(found.values(), key=lambda s: (s.call.lineno, s.call.col_offset))

    def _is_wrapper(self, event: Event, call: ast.Call) -> bool:
        """Whether a call comes back in the child of a fork, with what the fork returned."""
        match event.kind, event.subject:
            case EventKind.CALL, FunctionReference(function=callee):
                return self.is_pid(call, event.function, event.step, call) and self._lets_child_return(callee)
            case _:
                return False

    def _lets_child_return(self, function: Function) -> bool:
        """Whether the child of some fork in `function` comes to its end."""
        inner = [self._site(e) for e in self._model.threads.forks_in(function)]
        return not inner or any(self.region(s, Side.CHILD).returns for s in inner if s is not None)

    def _site(self, fork: Event) -> ForkSite | None:
        if fork.call is None:
            return None
        return ForkSite(fork.call, fork.function, tuple(self._model.evaluator.locate(fork.function, fork.call)))

    def is_pid(self, node: ast.expr, function: Function, step: Node | None, call: ast.Call | None) -> bool:
        """Whether an expression is what the fork made by `call` returned, or any fork if `call` is None."""
        return any(
            isinstance(v, Derived)
            and v.part is HandlePart.PID
            and v.handle.family is Family.FORK
            and (call is None or v.handle.origin is call)
            for v in self._model.evaluator.eval(node, function, step)
        )

    # -- the two sides -----------------------------------------------------------------------------------------------

    def departures(self, site: ForkSite) -> list[Departure]:
        """Where the child of a fork gets into its parent's code; empty where each end of its branch is its own."""
        child, parent = self.region(site, Side.CHILD), self.region(site, Side.PARENT)
        again = any(s in parent.nodes for s in site.steps)
        parent_returns = bool(parent.returns)
        if not parent_returns and not again and parent.ends_process:
            return []  # a daemon: the child is now the program
        found = []
        for departure in child.departures:
            match departure.way:
                case Way.RETURNS:
                    if parent_returns and not site.function.is_module and not self._is_told(site, child, parent):
                        found.append(self._first_shared(child, parent) or self._last_own(child, parent) or departure)
                case Way.FORKS_AGAIN:
                    if again:
                        found.append(departure)
                case _:
                    if not any(self._returns_pid(r, site) for r in parent.returns):
                        found.append(departure)
        if not found:
            found.extend(self._shared_loops(site, child, parent))
        return list(dict.fromkeys(found))

    @staticmethod
    def _first_shared(child: Region, parent: Region) -> Departure | None:
        """The first statement that both come to after the test that told them apart."""
        both = sorted(child.separated & parent.separated, key=lambda n: n.index)
        shared = [n.item for n in both if isinstance(n.item, ast.stmt | ast.expr)]
        first = min(shared, key=lambda i: (i.lineno, i.col_offset), default=None)
        return None if first is None else Departure(Way.RUNS_ON, first)

    @staticmethod
    def _last_own(child: Region, parent: Region) -> Departure | None:
        """The last statement that the child alone comes to, where it falls off the end of the function behind it."""
        if any(r is not None for r in child.returns):
            return None
        alone = sorted(child.separated - parent.nodes, key=lambda n: n.index)
        own = [n.item for n in alone if isinstance(n.item, ast.stmt)]
        last = max(own, key=lambda i: (i.lineno, i.col_offset), default=None)
        return None if last is None else Departure(Way.RETURNS, last)

    def _is_told(self, site: ForkSite, child: Region, parent: Region) -> bool:
        """Whether the return value tells the caller which of the two processes it is in."""
        if any(self._returns_pid(r, site) for r in child.returns):
            return True
        ours = {_returned_text(r) for r in child.returns}
        theirs = {_returned_text(r) for r in parent.returns}
        values = [None if r is None else r.value for r in child.returns]
        plain = all(v is not None and _is_plain(v) for v in values)
        literal = all(r is None or r.value is None or isinstance(r.value, ast.Constant) for r in parent.returns)
        return plain and literal and ours.isdisjoint(theirs)

    def _returns_pid(self, node: ast.Return | None, site: ForkSite) -> bool:
        """Whether a `return` hands what some fork returned to the caller, alone or in something made of it."""
        value = node.value if node is not None else None
        if value is None:
            return False
        evaluator, function = self._model.evaluator, site.function
        steps = evaluator.locate(function, node) if node is not None else []
        step = steps[0] if steps else None
        work: list[ast.expr] = [value]
        while work:
            part = work.pop()
            if self.is_pid(part, function, step, None):
                return True
            match part:
                case ast.Tuple(elts=parts):
                    work.extend(parts)
                case ast.Call(func=func, args=args, keywords=keywords):
                    if not any(
                        isinstance(v, External) and v.name.startswith("os.")
                        for v in evaluator.eval(func, function, step)
                    ):
                        work.extend((*args, *(k.value for k in keywords)))
                case _:
                    continue
        return False

    @staticmethod
    def _shared_loops(site: ForkSite, child: Region, parent: Region) -> Iterator[Departure]:
        """The endless loops of the parent, other than one around the fork, that the child comes into."""
        around = {loop for step in site.steps for loop in step.loops}
        for node in sorted(child.separated & parent.separated, key=lambda n: n.index):
            endless = any(
                isinstance(w, ast.While) and isinstance(w.test, ast.Constant) and w.test.value and w not in around
                for w in node.loops
            )
            if endless and isinstance(node.item, ast.stmt | ast.expr):
                yield Departure(Way.RUNS_ON, node.item)
                return

    def child_entries(self, site: ForkSite) -> list[Node]:
        """The steps from which on this process is known, by a test, to be the child of a fork."""
        walk = _Walk(self._model, self, site.function, site, Side.CHILD)
        nodes = self._model.evaluator.graph(site.function).nodes
        return [n for n in nodes if n.kind is NodeKind.ASSUME and walk.separates(n)]

    def region(self, site: ForkSite, side: Side) -> Region:
        """What one side may run after a fork."""
        return _Walk(self._model, self, site.function, site, side).run()

    def ends(self, function: Function) -> frozenset[_End]:
        """How a call of `function` can end; empty where it always ends the process or never ends."""
        known = self._ends.get(function)
        if known is None:
            self._ends[function] = frozenset()  # a recursive call brings no end of its own
            known = self._ends[function] = self._find_ends(function)
        return known

    def _find_ends(self, function: Function) -> frozenset[_End]:
        if function.is_async or function.is_generator or _is_abstract(function):
            return frozenset({_End.RETURN})
        region = _Walk(self._model, self, function, None, Side.CHILD).run()
        ways = {d.way for d in region.departures}
        found = {_End.RETURN} if region.returns else set()
        if Way.SYSTEM_EXIT in ways:
            found.add(_End.SYSTEM_EXIT)
        if Way.RAISES in ways and not found:
            found.add(_End.RAISE)
        return frozenset(found)


class _Walk:
    """The walk of one process through one function, from its fork or, in a called function, from the beginning."""

    def __init__(self, model: ModuleModel, forks: Forks, function: Function, site: ForkSite | None, side: Side) -> None:
        self._model, self._forks, self._function, self._site, self._side = model, forks, function, site, side
        self._graph = model.evaluator.graph(function)
        self._region = Region()
        self._seen: set[_State] = set()
        self._work: list[_State] = []
        #: `except` clauses around the fork itself: an exception that only some call may raise does not count there.
        self._outer = {h for step in (site.steps if site else ()) for h in step.handlers}

    def run(self) -> Region:
        """Return what was reached."""
        if self._site is None:
            self._push(_State(self._graph.entry, True, None, None))
        else:
            for step in self._site.steps:
                returning = step.item if isinstance(step.item, ast.Return) else None
                for onward in step.successors:
                    self._push(_State(onward, False, None, returning))
        while self._work:
            self._visit(self._work.pop())
        return self._region

    def _push(self, state: _State) -> None:
        if state not in self._seen:
            self._seen.add(state)
            self._work.append(state)

    def _leave(self, way: Way, node: ast.AST) -> None:
        departure = Departure(way, node)
        if departure not in self._region.departures:
            self._region.departures.append(departure)

    # -- one step ----------------------------------------------------------------------------------------------------

    def _visit(self, state: _State) -> None:
        node, region = state.node, self._region
        region.nodes.add(node)
        if node is self._graph.exit:
            self._returned(state)
            return
        if node is self._graph.raised:
            self._raised(state)
            return
        if self._site is not None and node in self._site.steps:
            if state.separated and self._side is Side.CHILD:
                self._leave(Way.FORKS_AGAIN, node.item or self._site.call)
            if self._side is Side.CHILD:
                return
        if node.kind is NodeKind.ASSUME:
            decided = self.decides(node)
            if decided is False or not self._model.flow.feasible(node):
                return
            state = state._replace(separated=state.separated or self.separates(node))
        if state.separated:
            region.separated.add(node)
        if state.raised is not None and any(s.kind is NodeKind.HANDLER for s in node.successors):
            self._dispatch(state)
            return
        self._run(state)

    def _run(self, state: _State) -> None:
        """Go through what the step does and on to where it leads."""
        node = state.node
        completes, exceptions = self._effects(node)
        if isinstance(node.item, ast.Return) and node.kind is NodeKind.STATEMENT:
            state = state._replace(returning=node.item, raised=None)
        reraises = self._always_raises(node)
        if completes and not reraises:
            for onward in node.successors:
                self._push(state._replace(node=onward))
        for raised in exceptions:
            for onward in node.successors if reraises else node.raises:
                self._push(state._replace(node=onward, raised=raised))
        if self._side is Side.CHILD and any(h not in self._outer for h in node.handlers):
            expected = _Raised(_Trigger.EXPECTED, None, node.item or self._graph.entry.item or ast.Pass())
            for onward in node.raises:
                self._push(state._replace(node=onward, raised=expected))

    def _returned(self, state: _State) -> None:
        self._region.returns.setdefault(state.returning, state.returning or ast.Pass())
        if state.separated and self._side is Side.CHILD:
            self._leave(Way.RETURNS, state.returning or self._last_statement())

    def _last_statement(self) -> ast.AST:
        node = self._function.node
        return node.body if isinstance(node, ast.Lambda) else node.body[-1]

    def _raised(self, state: _State) -> None:
        if state.raised is None or not state.separated or self._side is Side.PARENT:
            self._region.ends_process = True
            return
        match state.raised.trigger:
            case _Trigger.SYSTEM_EXIT:
                self._leave(Way.SYSTEM_EXIT, state.raised.node)
            case _Trigger.STATED:
                self._leave(Way.RAISES, state.raised.node)
            case _Trigger.EXPECTED:
                return

    def _always_raises(self, node: Node) -> bool:
        """Whether the step is a call that never returns, whose only way on is that of an exception."""
        match node.item:
            case ast.Expr(value=ast.Call() as call) if node.kind is NodeKind.STATEMENT:
                return self._model.evaluator.never_returns(call, self._function) in ("leave", "raise")
            case _:
                return False

    # -- what a step does --------------------------------------------------------------------------------------------

    def _effects(self, node: Node) -> tuple[bool, list[_Raised]]:
        """Whether a step can complete, and which exceptions it is seen to raise."""
        exceptions: list[_Raised] = []
        ends: dict[ast.AST, set[_End]] = {}
        for event in self._model.flow.by_step.get(node, ()):
            match event.kind, event.subject:
                case EventKind.EXTERNAL, External(name):
                    if name in RAISES_SYSTEM_EXIT:
                        self._region.ends_process = True
                        return False, [*exceptions, _Raised(_Trigger.SYSTEM_EXIT, SystemExit, event.site)]
                    if name in EXITS_AT_ONCE or self._kills_itself(name, event):
                        self._region.ends_process = True
                        return False, exceptions
                case EventKind.CALL, FunctionReference(function=callee):
                    ends.setdefault(event.site, set()).update(self._forks.ends(callee))
                case _:
                    continue
        for site, ways in ends.items():
            if _End.SYSTEM_EXIT in ways:
                exceptions.append(_Raised(_Trigger.SYSTEM_EXIT, SystemExit, site))
            if _End.RAISE in ways:
                exceptions.append(_Raised(_Trigger.STATED, None, site))
            if _End.RETURN not in ways:
                self._region.ends_process = True
                return False, exceptions
        if isinstance(node.item, ast.Raise) and node.kind is NodeKind.STATEMENT:
            exceptions.append(self._stated(node.item))
            return False, exceptions
        return True, exceptions

    def _kills_itself(self, name: str, event: Event) -> bool:
        """`os.kill(os.getpid(), SIGKILL)`."""
        if name != "os.kill" or event.call is None or len(event.call.args) != 2:
            return False
        target, signal = event.call.args
        evaluator = self._model.evaluator
        return (
            isinstance(target, ast.Call)
            and External("os.getpid") in evaluator.eval(target.func, self._function, event.step)
            and named_signal(evaluator.eval(signal, self._function, event.step)) in (Signal.KILL, Signal.TERMINATE)
        )

    def _stated(self, node: ast.Raise) -> _Raised:
        exception = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        kind = _builtin_exception(exception)
        trigger = _Trigger.SYSTEM_EXIT if kind is SystemExit else _Trigger.STATED
        return _Raised(trigger, kind, node)

    def _dispatch(self, state: _State) -> None:
        """Bring an exception to the `except` clauses that may catch it, or past them."""
        raised = state.raised
        assert raised is not None
        for onward in state.node.successors:
            if onward.kind is not NodeKind.HANDLER:
                continue
            assert isinstance(onward.item, ast.ExceptHandler)
            if raised.trigger is _Trigger.EXPECTED and onward.item in self._outer:
                continue
            catches = _catches(onward.item, raised)
            if catches is not False:
                self._push(state._replace(node=onward, raised=None))
            if catches is True:
                return
        for onward in state.node.successors:
            if onward.kind is not NodeKind.HANDLER:
                self._push(state._replace(node=onward))

    # -- tests -------------------------------------------------------------------------------------------------------

    def decides(self, node: Node, side: Side | None = None) -> bool | None:
        """Whether a branch is one side's, by a test of what the fork returned; None if the test is another."""
        if self._site is None:
            return None
        assert isinstance(node.item, ast.expr)
        truth = self._truth(node.item, node, side or self._side)
        return None if truth is None else truth is node.truth

    def separates(self, node: Node) -> bool:
        """Whether a branch is this side's and not the other's."""
        other = Side.PARENT if self._side is Side.CHILD else Side.CHILD
        return self.decides(node) is True and self.decides(node, other) is False

    def _truth(self, test: ast.expr, step: Node, side: Side) -> bool | None:
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self._truth(operand, step, side)
                return None if truth is None else not truth
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                if self._is_pid(left, step):
                    return self._compare(op, right, step, side, turned=False)
                if self._is_pid(right, step):
                    return self._compare(op, left, step, side, turned=True)
                if isinstance(op, ast.Eq | ast.NotEq) and (
                    self._is_own_pid(left, step) or self._is_own_pid(right, step)
                ):
                    return isinstance(op, ast.Eq) is (side is Side.PARENT)
                return None
            case ast.Name(id=name) if (flag := self._flag(name)) is not None:
                return self._truth(flag, step, side)
            case _:
                return side is Side.PARENT if self._is_pid(test, step) else None

    def _is_own_pid(self, node: ast.expr, step: Node) -> bool:
        """`os.getpid()`; what a program compares it with is what it was before the fork."""
        if not isinstance(node, ast.Call):
            return False
        return External("os.getpid") in self._model.evaluator.eval(node.func, self._function, step)

    def _is_pid(self, node: ast.expr, step: Node) -> bool:
        assert self._site is not None
        return self._forks.is_pid(node, self._function, step, self._site.call)

    def _flag(self, name: str) -> ast.expr | None:
        """The comparison that a local is bound to, if to nothing else: `is_child = pid == 0`."""
        match self._function.names.get(name, []):
            case [only] if only.kind is BindingKind.ASSIGN and not only.path:
                return only.value if isinstance(only.value, ast.Compare | ast.UnaryOp) else None
            case _:
                return None

    def _compare(self, op: ast.cmpop, other: ast.expr, step: Node, side: Side, *, turned: bool) -> bool | None:
        """The truth of comparing the pid with a literal; `turned` if the literal stands on the left."""
        numbers = {_number(v) for v in self._model.evaluator.eval(other, self._function, step)}
        compare = _COMPARISONS.get(type(op))
        if len(numbers) != 1 or compare is None:
            return None
        number = numbers.pop()
        if number is _NOT_A_NUMBER:
            return None
        if number is None:
            return isinstance(op, ast.NotEq | ast.IsNot)
        assert isinstance(number, int)
        pids = (0,) if side is Side.CHILD else (1, 1 << 22)
        truths = {compare(number, pid) if turned else compare(pid, number) for pid in pids}
        return truths.pop() if len(truths) == 1 else None


_NOT_A_NUMBER = object()
_COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.eq,
    ast.IsNot: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _number(value: object) -> object:
    match value:
        case Constant(value=int() | None as number):
            return number
        case External("pty.CHILD"):
            return 0
        case _:
            return _NOT_A_NUMBER


def _returned_text(node: ast.Return | None) -> str:
    return "None" if node is None or node.value is None else ast.unparse(node.value)


def _is_plain(node: ast.expr) -> bool:
    """Whether an expression only names or displays what it stands for, so that its text tells it from others."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return all(map(_is_plain, parts))
        case _:
            return isinstance(node, ast.Constant | ast.Name | ast.Attribute)


def _is_abstract(function: Function) -> bool:
    """Whether a method only says that subclasses define it."""
    node = function.node
    if isinstance(node, ast.Lambda | ast.Module) or function.owner is None:
        return False
    last = node.body[-1]
    return isinstance(last, ast.Raise) and len(node.body) <= 2


def _builtin_exception(node: ast.expr | None) -> type[BaseException] | None:
    found = getattr(builtins, node.id, None) if isinstance(node, ast.Name) else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _catches(handler: ast.ExceptHandler, raised: _Raised) -> bool | None:
    """Whether an `except` clause catches an exception; None if that cannot be seen."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    results: list[bool | None] = []
    for node in types:
        if node is None:
            return True
        caught = _builtin_exception(node)
        if caught is None:
            results.append(False if raised.trigger is _Trigger.SYSTEM_EXIT else None)
        elif raised.type is not None:
            results.append(issubclass(raised.type, caught))
        else:
            results.append(True if caught in (Exception, BaseException) else None)
    return True if True in results else None if None in results else False
