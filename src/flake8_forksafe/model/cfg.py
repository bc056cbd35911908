"""A control-flow graph per function, with exception, loop, `with`, `finally` and `match` edges.

One node is one simple statement, one test, one loop header or one `with` entry or exit. A `finally` body stands in
the graph once for each way through it (falling through, exception, return, break, continue), so that no path leaves
it by a door that it did not come in for.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import field
from enum import Enum, auto
from functools import partial

from flake8_forksafe.model.walking import children, last_name
from flake8_forksafe.records import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module


class NodeKind(Enum):
    """What a node stands for."""

    ENTRY = auto()
    EXIT = auto()
    RAISED = auto()
    JOIN = auto()
    STATEMENT = auto()
    EVALUATE = auto()
    TEST = auto()
    ASSUME = auto()
    NEXT = auto()
    EXHAUSTED = auto()
    SKIPPED = auto()
    ENTER = auto()
    LEAVE = auto()
    HANDLER = auto()


# Tuples, because up to Python 3.11 looking a member up takes longer than comparing it with five others.
_DEPENDING = (NodeKind.ASSUME, NodeKind.SKIPPED, NodeKind.NEXT)
_OF_EXPRESSIONS = (NodeKind.TEST, NodeKind.EVALUATE)
_EVALUATING = (NodeKind.STATEMENT, *_OF_EXPRESSIONS, NodeKind.ENTER, NodeKind.NEXT)


@dataclass(slots=True, eq=False)
class Node:
    """One step of a function.

    `item` is the syntax it stands for. ASSUME nodes hold the tested expression and the truth it has from here on;
    NEXT (the loop variable gets a value), EXHAUSTED (the loop ends by itself after at least one round) and SKIPPED
    (it ends with no round at all) hold the `for` statement; ENTER and LEAVE hold the `withitem`.
    `successors` are taken when the step completes, `raises` when it raises.
    """

    index: int
    kind: NodeKind
    item: ast.AST | None = None
    truth: bool = True
    successors: list[Node] = field(default_factory=list)
    raises: list[Node] = field(default_factory=list)
    loops: tuple[ast.AST, ...] = ()
    handlers: tuple[ast.ExceptHandler, ...] = ()
    _parts: list[ast.AST] | None = None

    @property
    def is_test_or_loop(self) -> bool:
        """Whether a path goes on here depends on a test, or on what a loop runs over."""
        return self.kind in _DEPENDING

    @property
    def parts(self) -> list[ast.AST]:
        """Everything this step evaluates, operands before the operations that use them."""
        if self._parts is None:
            self._parts = [part for root in self.expressions() for part in in_evaluation_order(root)]
        return self._parts

    def expressions(self) -> Iterator[ast.expr]:
        """The expressions that this step evaluates, in order."""
        match self.item:
            case ast.expr() if self.kind in _OF_EXPRESSIONS:
                yield self.item
            case ast.withitem() if self.kind is NodeKind.ENTER:
                yield self.item.context_expr
            case ast.stmt() if self.kind is NodeKind.STATEMENT:
                yield from _statement_expressions(self.item)
            case _:
                return


def _statement_expressions(node: ast.stmt) -> Iterator[ast.expr]:
    match node:
        case ast.Assign():
            yield node.value
            yield from node.targets
        case ast.AugAssign() | ast.AnnAssign():
            if node.value is not None:
                yield node.value
            yield node.target
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from node.decorator_list
            yield from node.args.defaults
            yield from (d for d in node.args.kw_defaults if d is not None)
        case ast.ClassDef():
            yield from node.decorator_list
            yield from node.bases
        case _:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    yield child


@dataclass(slots=True, eq=False)
class Graph:
    """The graph of one function. `nodes` are in the order of construction, entry first."""

    entry: Node
    exit: Node
    raised: Node
    nodes: list[Node]


@dataclass(slots=True, eq=False)
class _Loop:
    """A loop around the code being built."""

    statement: ast.AST
    again: Node
    done: Node


@dataclass(slots=True, eq=False)
class _With:
    """A `with` item around the code being built."""

    item: ast.withitem
    copies: dict[object, Node] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Finally:
    """A `finally` body around the code being built, with one copy per way out."""

    body: list[ast.stmt]
    copies: dict[object, Node] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Handlers:
    """The `except` clauses around the code being built."""

    clauses: tuple[ast.ExceptHandler, ...]
    dispatch: Node


_Frame = _Loop | _With | _Finally | _Handlers
#: Beyond this many `finally` bodies inside each other's `finally`, ways out share one copy; keeps the graph linear.
_FINALLY_DEPTH = 3
_RAISING = frozenset({ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.Subscript, ast.BinOp})


class GraphBuilder:
    """Builds the graph of one function.

    `never_returns` tells of a call whether control does not come back from it: `"exit"` when the process ends at
    once, `"leave"` when it raises SystemExit, `"raise"` when it raises something else, `""` otherwise.
    `suppresses` tells of a `with` item whether it swallows exceptions.
    """

    def __init__(self, never_returns: Callable[[ast.Call], str], suppresses: Callable[[ast.withitem], bool]) -> None:
        """Remember the two questions that only name resolution can answer."""
        self._never_returns = never_returns
        self._suppresses = suppresses
        self._nodes: list[Node] = []
        self._frames: list[_Frame] = []
        self._finally_depth = 0
        self._current: Node | None = None

    def build(self, function: FunctionNode) -> Graph:
        """Return the graph of `function`."""
        entry = self._node(NodeKind.ENTRY)
        self._exit, self._raised = self._node(NodeKind.EXIT), self._node(NodeKind.RAISED)
        self._current = entry
        if isinstance(function, ast.Lambda):
            self._step(NodeKind.EVALUATE, function.body)
        else:
            self._block(function.body)
        self._flow_to(self._exit)
        for node in self._nodes:
            node.successors[:] = map(_behind_joins, node.successors)
            node.raises[:] = map(_behind_joins, node.raises)
        return Graph(entry, self._exit, self._raised, [node for node in self._nodes if not _only_joins(node)])

    # -- nodes -----------------------------------------------------------------------------------------------------

    def _node(self, kind: NodeKind, item: ast.AST | None = None, *, truth: bool = True) -> Node:
        loops = tuple([f.statement for f in self._frames if isinstance(f, _Loop)]) if self._frames else ()
        node = Node(len(self._nodes), kind, item, truth, loops=loops)
        self._nodes.append(node)
        return node

    def _flow_to(self, target: Node) -> None:
        if self._current is not None:
            self._current.successors.append(target)
        self._current = None

    def _step(self, kind: NodeKind, item: ast.AST | None = None, *, truth: bool = True) -> Node:
        """Append a node to the path being built and continue from it."""
        node = self._node(kind, item, truth=truth)
        self._flow_to(node)
        self._current = node
        if kind in _EVALUATING and _may_raise(node):
            node.raises.append(self._on_exception(len(self._frames), leaving=raises_system_exit(node)))
            node.handlers = self._handlers_in_force()
        return node

    def _handlers_in_force(self) -> tuple[ast.ExceptHandler, ...]:
        if not self._frames:
            return ()
        return tuple([c for f in reversed(self._frames) if isinstance(f, _Handlers) for c in f.clauses])

    # -- ways out --------------------------------------------------------------------------------------------------

    def _on_exception(self, depth: int, *, leaving: bool = False) -> Node:
        """Where an exception goes that is raised inside the first `depth` frames.

        With `leaving` it is SystemExit, which `except Exception` does not catch.
        """
        for level in range(depth - 1, -1, -1):
            match self._frames[level]:
                case _Handlers(clauses=clauses) if leaving and not any(_catches_system_exit(c) for c in clauses):
                    continue
                case _Handlers(dispatch=dispatch):
                    return dispatch
                case _With() | _Finally() as frame:
                    way = "leave" if leaving else "raise"
                    return self._through(frame, level, way, partial(self._on_exception, level, leaving=leaving))
                case _:
                    continue
        return self._raised

    def _through(self, frame: _With | _Finally, level: int, way: object, onward: Callable[[], Node]) -> Node:
        """The copy of `frame`'s exit code for one way out; `onward` gives what follows it."""
        if isinstance(frame, _Finally) and self._finally_depth >= _FINALLY_DEPTH:
            way = "shared"
        if way in frame.copies:
            return frame.copies[way]
        frames, current = self._frames, self._current
        self._frames = frames[:level]
        start = self._node(NodeKind.JOIN)
        frame.copies[way] = start
        self._current = start
        if isinstance(frame, _With):
            leave = self._step(NodeKind.LEAVE, frame.item)
            leave.truth = way not in ("raise", "leave")
        else:
            self._finally_depth += 1
            self._block(frame.body)
            self._finally_depth -= 1
        self._frames = frames[:level]
        self._flow_to(onward())
        self._frames, self._current = frames, current
        return start

    def _jump(self, way: str, stop: _Loop | None, target: Node) -> None:
        """Leave the path being built for `target`, through every `with` and `finally` on the way."""
        if self._current is None:
            return
        limit = self._frames.index(stop) if stop is not None else -1
        self._flow_to(self._way_out(len(self._frames), limit, (way, id(target)), target))

    def _way_out(self, depth: int, limit: int, way: object, target: Node) -> Node:
        for level in range(depth - 1, limit, -1):
            frame = self._frames[level]
            if isinstance(frame, _With | _Finally):
                return self._through(frame, level, way, partial(self._way_out, level, limit, way, target))
        return target

    # -- statements ------------------------------------------------------------------------------------------------

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if self._current is None:
                self._current = self._node(NodeKind.JOIN)  # unreachable, kept so that its calls are still known
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.If():
                self._if(node)
            case ast.While():
                self._while(node)
            case ast.For() | ast.AsyncFor():
                self._for(node)
            case ast.With() | ast.AsyncWith():
                self._with(node.items, node.body)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.Match():
                self._match(node)
            case ast.Return():
                self._step(NodeKind.STATEMENT, node)
                self._jump("return", None, self._exit)
            case ast.Raise():
                self._step(NodeKind.STATEMENT, node)
                self._current = None
            case ast.Break() | ast.Continue():
                self._leave_loop(node)
            case ast.Assert():
                after = self._node(NodeKind.JOIN)
                failed = self._node(NodeKind.JOIN)
                self._condition(node.test, after, failed)
                failed.successors.append(self._on_exception(len(self._frames)))
                self._current = after
            case ast.ClassDef():
                self._step(NodeKind.STATEMENT, node)
                self._block([s for s in node.body if not isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)])
            case ast.Expr(value=ast.BoolOp() as test):
                after = self._node(NodeKind.JOIN)
                self._condition(test, after, after)
                self._current = after
            case ast.Expr(value=ast.Call() as call) if way := self._never_returns(call):
                self._step(NodeKind.STATEMENT, node)
                if way == "exit":
                    self._current = None
                else:
                    self._flow_to(self._on_exception(len(self._frames), leaving=way == "leave"))
            case _:
                self._step(NodeKind.STATEMENT, node)

    def _leave_loop(self, node: ast.Break | ast.Continue) -> None:
        loop = next((f for f in reversed(self._frames) if isinstance(f, _Loop)), None)
        if loop is None:
            return
        if isinstance(node, ast.Break):
            self._jump("break", loop, loop.done)
        else:
            self._jump("continue", loop, loop.again)

    def _if(self, node: ast.If) -> None:
        end = self._node(NodeKind.JOIN)
        while True:
            yes, no = self._node(NodeKind.JOIN), self._node(NodeKind.JOIN)
            self._condition(node.test, yes, no)
            self._current = yes
            self._block(node.body)
            self._flow_to(end)
            self._current = no
            match node.orelse:
                case [ast.If() as nested]:  # an elif chain, however long, is no nesting
                    node = nested
                case orelse:
                    self._block(orelse)
                    break
        self._flow_to(end)
        self._current = end

    def _condition(self, test: ast.expr, yes: Node, no: Node) -> None:
        """Evaluate `test` and go to `yes` or `no`, with `and`, `or` and `not` taken apart."""
        match test:
            case ast.BoolOp(op=ast.And()):
                for part in test.values[:-1]:
                    onward = self._node(NodeKind.JOIN)
                    self._condition(part, onward, no)
                    self._current = onward
                self._condition(test.values[-1], yes, no)
            case ast.BoolOp(op=ast.Or()):
                for part in test.values[:-1]:
                    onward = self._node(NodeKind.JOIN)
                    self._condition(part, yes, onward)
                    self._current = onward
                self._condition(test.values[-1], yes, no)
            case ast.UnaryOp(op=ast.Not()):
                self._condition(test.operand, no, yes)
            case _:
                self._step(NodeKind.TEST, test)
                node = self._current
                assert node is not None
                if not (isinstance(test, ast.Constant) and not test.value):
                    self._current = node
                    self._step(NodeKind.ASSUME, test, truth=True)
                    self._flow_to(yes)
                if not (isinstance(test, ast.Constant) and test.value):
                    self._current = node
                    self._step(NodeKind.ASSUME, test, truth=False)
                    self._flow_to(no)
                self._current = None

    def _while(self, node: ast.While) -> None:
        head, done, body, over = (self._node(NodeKind.JOIN) for _ in range(4))
        self._flow_to(head)
        loop = _Loop(node, head, done)
        self._frames.append(loop)
        self._current = head
        self._condition(node.test, body, over)
        self._current = body
        self._block(node.body)
        self._flow_to(head)
        self._frames.pop()
        self._current = over
        self._block(node.orelse)
        self._flow_to(done)
        self._current = done

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self._step(NodeKind.EVALUATE, node.iter)
        first = self._node(NodeKind.JOIN)
        self._flow_to(first)
        again, done, over = (self._node(NodeKind.JOIN) for _ in range(3))
        loop = _Loop(node, again, done)
        self._frames.append(loop)
        self._current = None
        item = self._step(NodeKind.NEXT, node)
        first.successors.append(item)
        again.successors.append(item)
        self._current = item
        self._block(node.body)
        self._flow_to(again)
        self._frames.pop()
        skipped = self._node(NodeKind.SKIPPED, node)
        if not _has_first_round(node.iter) or not _leads_to(item, again):
            first.successors.append(skipped)  # where only exceptions lead on, it stands for them
        exhausted = self._node(NodeKind.EXHAUSTED, node)
        again.successors.append(exhausted)
        skipped.successors.append(over)
        exhausted.successors.append(over)
        self._current = over
        self._block(node.orelse)
        self._flow_to(done)
        self._current = done

    def _with(self, items: list[ast.withitem], body: list[ast.stmt]) -> None:
        depth = len(self._frames)
        for item in items:
            self._step(NodeKind.ENTER, item)
            self._frames.append(_With(item))
        self._block(body)
        while len(self._frames) > depth:
            frame = self._frames.pop()
            assert isinstance(frame, _With)
            if self._current is not None:
                self._step(NodeKind.LEAVE, frame.item)
            for way in ("raise", "leave"):
                raised = frame.copies.get(way)
                if raised is None or not self._suppresses(frame.item):
                    continue
                after = self._current or self._node(NodeKind.JOIN)
                raised.successors[0].successors.append(after)
                self._current = after

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        end = self._node(NodeKind.JOIN)
        closing = _Finally(node.finalbody) if node.finalbody else None
        if closing is not None:
            self._frames.append(closing)
        dispatch = self._node(NodeKind.JOIN)
        if node.handlers:
            self._frames.append(_Handlers(tuple(node.handlers), dispatch))
        self._block(node.body)
        if node.handlers:
            self._frames.pop()
        if node.orelse and self._current is not None:
            self._block(node.orelse)
        self._flow_to(end)
        for handler in node.handlers:
            self._current = dispatch
            self._step(NodeKind.HANDLER, handler)
            self._block(handler.body)
            self._flow_to(end)
        if node.handlers and not any(_catches_all(h) for h in node.handlers):
            dispatch.successors.append(self._on_exception(len(self._frames)))
        self._current = end
        if closing is not None:
            self._frames.pop()
            self._block(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self._step(NodeKind.EVALUATE, node.subject)
        end = self._node(NodeKind.JOIN)
        subject = self._current
        irrefutable = False
        for case in node.cases:
            self._current = subject
            self._step(NodeKind.JOIN, case)
            if case.guard is not None:
                yes = self._node(NodeKind.JOIN)
                self._condition(case.guard, yes, end)
                self._current = yes
            elif isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None:
                irrefutable = True
            self._block(case.body)
            self._flow_to(end)
        if subject is not None and not irrefutable:
            subject.successors.append(end)
        self._current = end


def _catches_all(handler: ast.ExceptHandler) -> bool:
    types: list[ast.expr] = []
    match handler.type:
        case None:
            return True
        case ast.Tuple(elts=elts):
            types = elts
        case one:
            types = [one]
    return any(isinstance(t, ast.Name) and t.id in {"Exception", "BaseException"} for t in types)


def _catches_system_exit(handler: ast.ExceptHandler) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(t is None or last_name(t) in {"BaseException", "SystemExit"} for t in types)


def raises_system_exit(node: Node) -> bool:
    """Whether a step is `raise SystemExit`."""
    match node.item:
        case ast.Raise(exc=ast.Call(func=ast.Name(id="SystemExit")) | ast.Name(id="SystemExit")):
            return True
        case _:
            return False


def _only_joins(node: Node) -> bool:
    """Whether a node does nothing but to lead on to another one."""
    return node.kind is NodeKind.JOIN and node.item is None and len(node.successors) == 1


def _behind_joins(node: Node) -> Node:
    """The first node from `node` on that is more than a way to another one; there is one in every circle."""
    while _only_joins(node):
        node = node.successors[0]
    return node


def _leads_to(start: Node, goal: Node) -> bool:
    """Whether a path without exceptions leads from one node to another."""
    seen, stack = {start}, [start]
    while stack:
        for onward in stack.pop().successors:
            if onward is goal:
                return True
            if onward not in seen:
                seen.add(onward)
                stack.append(onward)
    return False


def _has_first_round(iterated: ast.expr) -> bool:
    """Whether a loop over an expression has a round in any case: a display with an element, a range of literals."""
    match iterated:
        case ast.Tuple(elts=elts) | ast.List(elts=elts) | ast.Set(elts=elts):
            return any(not isinstance(element, ast.Starred) for element in elts)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(stop))], keywords=[]):
            return stop > 0
        case ast.Call(
            func=ast.Name(id="range"),
            args=[ast.Constant(value=int(start)), ast.Constant(value=int(stop))],
            keywords=[],
        ):
            return stop > start
        case _:
            return False


def _may_raise(node: Node) -> bool:
    if isinstance(node.item, ast.Raise | ast.Import | ast.ImportFrom):
        return True
    if node.kind is NodeKind.NEXT:
        return True
    return not _RAISING.isdisjoint(map(type, node.parts))


_LEAVES = frozenset({ast.Name, ast.Constant, ast.Lambda})


def in_evaluation_order(root: ast.expr) -> list[ast.AST]:
    """List what is evaluated with `root`, operands before the operation that uses them."""
    order: list[ast.AST] = []
    stack: list[ast.AST] = [root]
    while stack:
        node = stack.pop()
        order.append(node)
        if node.__class__ in _LEAVES:
            continue
        match node:
            case ast.Attribute(value=value) | ast.keyword(value=value):
                stack.append(value)
            case ast.Call():
                stack.append(node.func)
                stack += node.args
                stack += node.keywords
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                stack += node.generators
                stack.append(node.elt)
            case ast.DictComp(key=key, value=value, generators=generators):
                stack += [*generators, key, value]
            case _:
                stack += children(node)
    order.reverse()
    return order
