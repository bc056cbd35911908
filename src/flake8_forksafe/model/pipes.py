"""Questions about the pipes of a handle that more than one rule asks."""

from __future__ import annotations

import ast
from dataclasses import field
from typing import TYPE_CHECKING

from flake8_forksafe.model.care import (
    cares_for,
    either,
    ends,
    lends,
    reads,
    reads_from,
    reads_to_end,
    waits,
    waits_for_ever,
    writes,
)
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.children import StreamState
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.flow import Predicate, Query
from flake8_forksafe.model.scopes import Binding, Condition, Function
from flake8_forksafe.model.values import Constant, External, Handle, ReadResult
from flake8_forksafe.model.walking import walk
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.subprocess import SIBLING

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


@dataclass(slots=True, eq=False)
class UndrainedWait:
    """A wait or poll loop that some path reaches while `streams` are PIPEs still to be drained."""

    event: Event
    streams: list[str] = field(default_factory=list)


class Pipes:
    """The pipes of one module's children."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._waits: dict[Handle, list[UndrainedWait]] = {}

    def undrained_waits(self, handle: Handle) -> list[UndrainedWait]:
        """The waits and poll loops on `handle` that an undrained output pipe can keep from ever ending."""
        known = self._waits.get(handle)
        if known is None:
            by_site: dict[ast.AST, UndrainedWait] = {}
            for stream, setting in self._model.spawn(handle).output_pipes():
                target = either(waits, self.polls_in_loop(handle, stream))
                careful = either(cares_for(stream), lends(stream), ends)
                query = self._model.query(handle, target, careful, setting.facts)
                for hit in self._model.exposed(query):
                    by_site.setdefault(hit.site, UndrainedWait(hit)).streams.append(stream)
            known = self._waits[handle] = list(by_site.values())
        return known

    def read_beside_sibling(self, handle: Handle) -> Event | None:
        """The first blocking read of one output that leaves the other one, a PIPE too, to fill up."""
        pipes = dict(self._model.spawn(handle).output_pipes())
        if len(pipes) < 2:
            return None
        hits: list[Event] = []
        for stream, sibling in SIBLING.items():
            careful = either(cares_for(sibling), self._makes_non_blocking(stream), ends, waits)
            elsewhere = either(cares_for(sibling), reads_from(sibling), self._makes_non_blocking(stream))
            facts = pipes[stream].facts | pipes[sibling].facts
            hits.extend(
                self._model.exposed(self._model.query(handle, reads(stream), careful, facts, elsewhere=elsewhere))
            )
        return min(hits, key=lambda e: (e.site.lineno, e.site.col_offset), default=None)

    def _makes_non_blocking(self, stream: str) -> Predicate:
        """Whether an event sets `stream` so that reads of it return at once."""

        def sets(event: Event) -> bool:
            call = event.call if event.kind is EventKind.HAND_OVER and event.stream == stream else None
            if call is None or len(call.args) < 2:
                return False
            callees, told = (
                self._model.evaluator.eval(node, event.function, event.step) for node in (call.func, call.args[1])
            )
            return (External("os.set_blocking") in callees and Constant(False) in told) or (
                External("fcntl.fcntl") in callees and External("fcntl.F_SETFL") in told
            )

        return sets

    def stdin_left_open(self, handle: Handle) -> list[Event]:
        """The waits and reads to EOF that a child waiting for the end of its own input can block for ever.

        A stdin that is closed on some way to the wait, or written to after it, is in the program's own hands.
        """
        setting = self._model.spawn(handle).pipe("stdin")
        if setting is None:
            return []
        closed = cares_for("stdin")
        waits_or_reads = either(waits_for_ever, reads_to_end)
        query = self._model.query(handle, waits_or_reads, either(closed, ends), setting.facts)
        closings = [
            e
            for e in self._model.flow.events(handle)
            if e.kind is not EventKind.CREATE and e.step.kind is not NodeKind.ASSUME and closed(e)
        ]
        found: list[Event] = []
        for hit in self._model.exposed(query):
            managed = (hit in self._model.follows(e, waits_or_reads) for e in closings)
            if not any(managed) and not self._model.flow.after(hit, self._used_again(handle)).hits:
                found.append(hit)
        return found

    def _used_again(self, handle: Handle) -> Query:
        """Whether something is written to stdin later: by the handler of an interrupted wait, too."""

        def feeds(event: Event) -> bool:
            call = event.site if event.kind is EventKind.COMMUNICATE else None
            given = isinstance(call, ast.Call) and (call.args or any(k.arg == "input" for k in call.keywords))
            return bool(given) or writes("stdin")(event)

        return self._model.query(handle, feeds, lambda _event: False, exceptions=True)

    def is_only_output(self, handle: Handle, stream: str) -> bool:
        """Whether `stream` is surely the only one of stdout and stderr that is a PIPE."""
        settings = self._model.spawn(handle).stream(SIBLING[stream])
        return all(s.state not in (StreamState.PIPE, StreamState.UNKNOWN) for s in settings)

    def polls_in_loop(self, handle: Handle, stream: str) -> Predicate:
        """Whether an event is a test of the child's status that a loop comes back to with `stream` unread in it.

        The event is that of finding the child still running. Reading in the loop, even one line a round, keeps the
        pipe from filling up.
        """
        loops: set[ast.AST] = set()
        for event in self._model.flow.events(handle, EventKind.RUNNING):
            waits_on = event.step.loops and event.site not in loops and self._comes_back(event, stream)
            if waits_on and not self._is_read_after_rounds(event, stream):
                loops.add(event.site)
        return lambda e: e.kind is EventKind.RUNNING and e.site in loops

    def _is_read_after_rounds(self, event: Event, stream: str) -> bool:
        """Whether the loop, over several children or one, ends by itself, and `stream` is read then in any case."""
        evaluator, function = self._model.evaluator, event.function
        match event.step.loops:
            case (ast.For(iter=ast.Call(func=func)) as loop, *inner) if External("builtins.range") in evaluator.eval(
                func, function, event.step
            ) and all(isinstance(each, ast.For) for each in inner):
                query = self._model.query(event.subject, either(ends, waits), cares_for(stream))
                query.raising = True
                ways = [n for n in evaluator.graph(function).nodes if n.kind is NodeKind.EXHAUSTED and n.item is loop]
                found = [self._model.flow.from_step(function, way, query) for way in ways]
                return not any(way.hits or way.completes or way.raises for way in found)
            case _:
                return False

    def _comes_back(self, event: Event, stream: str) -> bool:
        def same_test(other: Event) -> bool:
            return other.kind is EventKind.RUNNING and other.site is event.site

        def leaves_or_reads(other: Event) -> bool:
            return (
                either(cares_for(stream), ends)(other)
                or (other.kind is EventKind.READ and other.stream == stream)
                or waits(other)
            )

        query = Query(event.subject, same_test, leaves_or_reads, one_element=True)
        if not self._model.flow.after(event, query).hits:
            return False
        return not any(
            e.stream == stream and self._is_due_next(e, event)
            for e in self._model.flow.events(event.subject, EventKind.READ)
        )

    def _is_due_next(self, read: Event, test: Event) -> bool:
        """Whether the loop of `test` passes `read` over only in rounds that see to it that another one does not.

        `if self.pending: line, self.pending = self.pending, b""` and `else: line = p.stdout.readline()` take turns.
        """
        shared = [loop for loop in test.step.loops if loop in read.step.loops]
        if read.function is not test.function or not shared:
            return False
        outside = self._model.scopes.conditions.get(shared[-1])
        passes_over = False
        for condition in Condition.chain(self._model.scopes.conditions.get(read.site)):
            if condition is outside:
                break
            asks_again = condition.test is getattr(shared[-1], "test", None)
            if not asks_again and not any(part is test.site for part in walk(condition.test)):
                if not self._is_undone(condition, read.function):
                    return False
                passes_over = True
        return passes_over

    def _is_undone(self, condition: Condition, function: Function) -> bool:
        """Whether the other branch of a test gives a new value to what the test is about."""
        conditions = self._model.scopes.conditions
        for part in walk(condition.test):
            for binding in _bindings_of(part, function):
                for link in Condition.chain(conditions.get(binding.statement)):
                    if link.test is condition.test and link.truth is not condition.truth:
                        return True
        return False

    # -- the end of the output -------------------------------------------------------------------------------------

    def ends_otherwise(self, event: Event, loop: ast.For | ast.AsyncFor | ast.While) -> bool:
        """Whether `loop` ends at the end of the output even though `event`, its end marker, never comes.

        By then each read gives an empty value: of the ways out, those stay shut that only a line opens, or a flag that
        the loop itself never sets.
        """
        graph, at_end = self._model.evaluator.graph(event.function), event.step
        work = [at_end]
        if at_end.kind is NodeKind.ASSUME:
            work = [n for n in graph.nodes if n.item is at_end.item and n.truth is not at_end.truth]
        seen = set(work)
        while work:
            node = work.pop()
            if loop not in node.loops and node.kind is not NodeKind.JOIN:
                return True
            for following in node.successors or node.raises:
                if following not in seen and not self._is_shut(following, event, loop):
                    seen.add(following)
                    work.append(following)
        return False

    def _is_shut(self, node: Node, event: Event, loop: ast.For | ast.AsyncFor | ast.While) -> bool:
        """Whether no path goes on to `node` once the output of `event` has ended."""
        if node.kind in (NodeKind.EXHAUSTED, NodeKind.SKIPPED):
            return node.item is loop and event.step.kind is NodeKind.NEXT
        if node.kind is not NodeKind.ASSUME or not isinstance(node.item, ast.expr):
            return False
        if any(e.kind is EventKind.EMPTY_TEXT for e in self._model.flow.by_step.get(node, ())):
            return True
        parts = [p for p in walk(node.item) if isinstance(p, ast.Name | ast.Attribute)]
        if any(self._is_read(part, event.function, node) for part in parts):
            return _of_empty(node.item) is not None and _of_empty(node.item) is not node.truth
        match node.item:
            case ast.Name() | ast.Attribute() | ast.Call(func=ast.Attribute(attr="is_set")):
                bound = (b for part in parts for b in _bindings_of(part, event.function))
                return not any(_is_inside(b.statement, loop) for b in bound)
            case _:
                return False

    def _is_read(self, part: ast.expr, function: Function, step: Node, *, depth: int = 1) -> bool:
        """Whether `part` is what a read returned, or is made of it."""
        if any(isinstance(v, ReadResult) for v in self._model.evaluator.eval(part, function, step)):
            return True
        made_of = (b.value for b in _bindings_of(part, function) if isinstance(b.value, ast.Call) and depth)
        return any(
            isinstance(inner, ast.Name) and self._is_read(inner, function, step, depth=depth - 1)
            for value in made_of
            for inner in walk(value)
        )


def _bindings_of(part: ast.AST, function: Function) -> list[Binding]:
    """What gives `part`, a name or an attribute of one, its values in `function`."""
    match part:
        case ast.Name(id=name):
            return function.names.get(name, [])
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            own = name == function.receiver
            return (function.attributes if own else function.names).get(attr if own else f"{name}.{attr}", [])
        case _:
            return []


def _is_inside(statement: ast.AST, loop: ast.For | ast.AsyncFor | ast.While) -> bool:
    line: int = getattr(statement, "lineno", 0)
    return loop.lineno <= line <= (loop.end_lineno or loop.lineno)


def _of_empty(test: ast.expr) -> bool | None:
    """How a test about a line comes out for an empty one; None where that cannot be told."""
    match test:
        case ast.Compare(left=ast.Name() | ast.Attribute(), ops=[op], comparators=[ast.Constant(value=value)]):
            if isinstance(op, ast.Eq | ast.NotEq):
                return (not value) is isinstance(op, ast.Eq)
            return None
        case ast.Compare(left=ast.Constant(value=value), ops=[ast.In() | ast.NotIn() as op]) if value:
            return isinstance(op, ast.NotIn)
        case ast.Name() | ast.Attribute() | ast.Call(func=ast.Attribute()):
            return False
        case _:
            return None
