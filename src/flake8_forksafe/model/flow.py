"""Path queries: which event can follow which, with what in between, through the calls of the module."""

from __future__ import annotations

import ast
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from operator import itemgetter
from typing import NamedTuple

from flake8_forksafe.model.cfg import Node, NodeKind, raises_system_exit
from flake8_forksafe.model.evaluate import Evaluator
from flake8_forksafe.model.events import Event, EventKind, EventReader
from flake8_forksafe.model.scopes import Binding, BindingKind, Condition, Function
from flake8_forksafe.model.values import External, FunctionReference, Pipe, Value
from flake8_forksafe.model.walking import walk
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import ENDS_PROCESS

Predicate = Callable[[Event], bool]
#: Tests that a path relies on: the normalised text of the test and its truth.
Fact = tuple[str, bool]
#: What is known on a path: facts, and sets of facts of which at least one holds (`if a or b:`).
Facts = frozenset[Fact | frozenset[Fact]]
NO_FACTS: Facts = frozenset()
#: How many different repeated tests one search keeps apart, and how many states it may visit per graph node.
_TRACKED_TESTS = 5
_STATES_PER_NODE = 40
#: How many calls deep one search goes; real code is seldom more than five deep.
_CALL_DEPTH = 24
#: What happens in functions that only call others.
_OF_FUNCTIONS = frozenset({EventKind.CALL, EventKind.REFERENCE})
#: From so many events of one node on, they are looked up by their subject.
_MANY_EVENTS = 8


@dataclass(slots=True, eq=False)
class Query:
    """One question about paths of one subject.

    Arguments:
        subject: the handle or resource that the events belong to.
        target: what is looked for.
        barrier: what makes a path harmless. A barrier on the way hides every target behind it.
        exceptions: whether paths that an exception takes count too.
        facts: tests known to hold when the path begins.
        elsewhere: what makes a subject harmless when any other function may do it at any time; the barrier unless
            given.
        beyond: whether to go on behind a target.
        barrier_when_raising: whether a barrier that raises still counts; by default it does.
        one_element: whether a loop that goes on to the next of several handles ends the path; a loop that begins anew
            comes to the same handle again.
        raising: whether to follow a `raise` statement.
        until_exit: whether a call that ends this process ends the path.
        also: other subjects whose events are looked at on the same paths.
        settled: given as an empty dict to a question that is asked from many places and for no targets, what searches
            have found to follow from each state: no search goes over the same ground again.
        sought: the sites of the targets that nobody has reached yet, where only those matter: the search ends when
            there are none. None where the whole outcome matters.
    """

    subject: Value
    target: Predicate
    barrier: Predicate
    exceptions: bool = False
    facts: Facts = NO_FACTS
    beyond: bool = False
    barrier_when_raising: Predicate = lambda _event: True
    one_element: bool = False
    elsewhere: Predicate | None = None
    raising: bool = False
    until_exit: bool = False
    also: frozenset[Value] = frozenset()
    depth: int = 0
    inside: dict[tuple[Function, Facts], Outcome] = field(default_factory=dict)
    settled: dict[_State, Outcome] | None = None
    sought: set[ast.AST] | None = None


@dataclass(slots=True, eq=False)
class Outcome:
    """What a search found: the targets reached, and whether the end of the function was.

    `stopped` tells that some path ended at an event; a search that neither stops nor ends goes round for ever.
    """

    hits: list[Event] = field(default_factory=list)
    completes: bool = False
    raises: bool = False
    stopped: bool = False


class _State(NamedTuple):
    node: Node
    facts: Facts


@dataclass(slots=True, eq=False)
class _Trail:
    """The ground that one search has gone over: how paths end at each state, and which states come before it."""

    ends: dict[_State, Outcome] = field(default_factory=dict)
    before: dict[_State, list[_State]] = field(default_factory=dict)

    def settle(self, settled: dict[_State, Outcome]) -> None:
        """Carry the ends of all paths back to the states that lead to them."""
        work = list(self.ends)
        while work:
            state = work.pop()
            work.extend(e for e in self.before.get(state, ()) if _merge_ends(self.ends[e], self.ends[state]))
        settled.update(self.ends)


def _merge_ends(into: Outcome, other: Outcome) -> bool:
    """Let `into` end in the ways of `other` too; tell whether that is news."""
    known = into.completes, into.raises, into.stopped
    into.completes, into.raises = into.completes or other.completes, into.raises or other.raises
    into.stopped = into.stopped or other.stopped
    return known != (into.completes, into.raises, into.stopped)


@dataclass(slots=True, eq=False)
class _Stretch:
    """Steps of which each leads on to the next one and nowhere else, but by raising.

    `busy` are the places in it of those that may concern any subject.
    """

    nodes: list[Node] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Events:
    """The events of some functions, by what they are looked up by."""

    by_step: dict[Node, list[Event]] = field(default_factory=dict)
    by_subject: dict[Value, list[Event]] = field(default_factory=dict)
    by_kind: dict[EventKind, list[Event]] = field(default_factory=dict)
    callers: dict[Function, list[Event]] = field(default_factory=dict)
    references: dict[Function, list[Event]] = field(default_factory=dict)
    named: dict[str, list[tuple[int, Event]]] = field(default_factory=dict)
    within: dict[Function, list[Event]] = field(default_factory=dict)
    leads_to: dict[Function, dict[Function, None]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        self.by_step.setdefault(event.step, []).append(event)
        self.by_kind.setdefault(event.kind, []).append(event)
        self.within.setdefault(event.function, []).append(event)
        if event.kind is EventKind.EXTERNAL and isinstance(event.subject, External):
            self.named.setdefault(event.subject.name, []).append((len(self.by_kind[event.kind]), event))
        match event.subject:
            case FunctionReference(function=callee):
                table = self.callers if event.kind is EventKind.CALL else self.references
                table.setdefault(callee, []).append(event)
                self.leads_to.setdefault(event.function, {})[callee] = None
            case subject:
                self.by_subject.setdefault(subject, []).append(event)


class Flow:
    """All events of a module, and searches over their order.

    Functions that only call others are read when somebody asks who calls a function, or what happens in one of them:
    most questions are answered before.
    """

    def __init__(self, evaluator: Evaluator, live: Iterable[Function]) -> None:
        """Read the events of the functions that are `live`; nothing happens in the others."""
        self.evaluator = evaluator
        self._live = list(live)
        self._unread = {function for function in self._live if function.calls_only is not None}
        self._known = _Events()
        self._relevant: dict[Value, frozenset[Function]] = {}
        self._keys: dict[ast.expr, Fact | None] = {}
        self._first_reads: dict[Function, dict[str, int]] = {}
        self._tracked: dict[Function, frozenset[str]] = {}
        self._flags_of: dict[Function, frozenset[str]] = {}
        self._shared_names = {name for f in evaluator.scopes.functions for name in f.outer_names}
        self._feasible: dict[Node, bool] = {}
        self._containers: dict[Node, frozenset[Value]] = {}
        self._numbers: dict[Node, dict[Value | None, list[int]]] = {}
        self._parted: dict[Value, dict[Function, list[Event]]] = {}
        self._stops: dict[tuple[Value, Function], dict[_Stretch, list[int]]] = {}
        self._stretches: dict[Function, dict[Node, tuple[_Stretch, int]]] = {}
        for function in self._live:
            if function not in self._unread:
                for event in EventReader(evaluator, function).read():
                    self._known.add(event)

    @property
    def _all(self) -> _Events:
        """The events of all functions, those included that only call others."""
        if self._unread:
            read = {f: list(EventReader(self.evaluator, f).read()) for f in self._live if f in self._unread}
            before, self._known = self._known.within | read, _Events()
            self._unread.clear()
            for function in self._live:  # in source order, as if all had been read at once
                for event in before.get(function, ()):
                    self._known.add(event)
        return self._known

    def _around(self, function: Function) -> _Events:
        """Events among which are all of `function`."""
        return self._all if function in self._unread else self._known

    # -- events ----------------------------------------------------------------------------------------------------

    def events(self, subject: Value, *kinds: EventKind) -> list[Event]:
        """The events of a subject over the whole module, in source order of the functions."""
        return [e for e in self._known.by_subject.get(subject, ()) if not kinds or e.kind in kinds]

    @property
    def subjects(self) -> Iterable[Value]:
        """All that something happens to."""
        return self._known.by_subject

    @property
    def callers(self) -> dict[Function, list[Event]]:
        """The calls of each function of the module."""
        return self._all.callers

    @property
    def references(self) -> dict[Function, list[Event]]:
        """Where each function of the module is handed to somebody who may call it."""
        return self._all.references

    @property
    def by_step(self) -> dict[Node, list[Event]]:
        """The events of each graph node."""
        return self._all.by_step

    def of_kind(self, kind: EventKind) -> list[Event]:
        """All events of one kind."""
        known = self._all if kind in _OF_FUNCTIONS else self._known
        return known.by_kind.get(kind, [])

    def within(self, function: Function) -> list[Event]:
        """All events of one function."""
        return self._around(function).within.get(function, [])

    def named_calls(self, *names: str) -> list[Event]:
        """The calls of functions out of sight, by name, in source order of the functions."""
        numbered = [numbered for name in names for numbered in self._known.named.get(name, ())]
        return [event for _, event in sorted(numbered, key=itemgetter(0))]

    def relevant(self, subject: Value) -> frozenset[Function]:
        """The functions in which something happens to `subject`, directly or in what they call or hand on."""
        known = self._relevant.get(subject)
        if known is None:
            seen_in = {e.function: None for e in self._known.by_subject.get(subject, ())}
            known = self._relevant[subject] = frozenset(self._lead_to(seen_in, beyond=set()))
        return known

    def _lead_to(self, functions: dict[Function, None], *, beyond: set[Function]) -> set[Function]:
        """`functions` and all that call them or hand them on, but not those that do so by way of `beyond`."""
        work = list(functions)
        found = set(work)
        while work:
            function = work.pop()
            if function in beyond:
                continue
            for event in (*self.callers.get(function, ()), *self.references.get(function, ())):
                if event.function not in found:
                    found.add(event.function)
                    work.append(event.function)
        return found

    def reachable(self, function: Function) -> frozenset[Function]:
        """`function` and all it may call or hand on."""
        found, work = {function}, [function]
        while work:
            current = work.pop()
            for callee in self._all.leads_to.get(current, ()):
                if callee not in found:
                    found.add(callee)
                    work.append(callee)
        return frozenset(found)

    def called(self, function: Function) -> frozenset[Function]:
        """`function` and all it may call in its own turn, so without what it hands on."""
        found, work = {function}, [function]
        while work:
            for event in self.within(work.pop()):
                if event.kind is EventKind.CALL and isinstance(event.subject, FunctionReference):
                    callee = event.subject.function
                    if callee not in found:
                        found.add(callee)
                        work.append(callee)
        return frozenset(found)

    def concurrent(self, function: Function, subject: Value) -> Iterator[Event]:
        """What happens to `subject` in a function that is handed on, and in what it calls, at a time of its own."""
        inside = self.reachable(function)
        for event in self._known.by_subject.get(subject, ()):
            if event.function in inside:
                yield replace(event, concurrent=True)

    # -- search ----------------------------------------------------------------------------------------------------

    def after(self, event: Event, query: Query) -> Outcome:
        """Search from just behind `event` to the end of its function."""
        events = self._around(event.function).by_step.get(event.step, [])
        index = next((i for i, e in enumerate(events) if e is event), -1) + 1
        return self._search(event.function, event.step, index, query, made=event.kind is EventKind.CREATE)

    def from_entry(self, function: Function, query: Query) -> Outcome:
        """Search from the beginning of `function`."""
        return self._search(function, self.evaluator.graph(function).entry, 0, query)

    def from_step(self, function: Function, step: Node, query: Query) -> Outcome:
        """Search from the beginning of one graph node."""
        return self._search(function, step, 0, query)

    def onward(self, event: Event, query: Query) -> list[Event]:
        """The targets that can follow `event` in its function, and then in the functions that call it."""
        hits: dict[Event, None] = {}
        work, seen = [event], {event.function}
        while work:
            current = work.pop()
            outcome = self.after(current, query)
            hits.update(dict.fromkeys(outcome.hits))
            for call in self.callers.get(current.function, ()) if outcome.completes else ():
                if call.function not in seen:
                    seen.add(call.function)
                    work.append(call)
        return list(hits)

    def _search(self, function: Function, start: Node, index: int, query: Query, *, made: bool = False) -> Outcome:
        """Search from the event `index` of `start`; `made` tells that the event before it makes the subject.

        What makes the subject has not made it when it raises, so that such a path is no path of the subject.
        """
        by_step = self._around(function).by_step
        whole = made and index > 0 and _is_last_call(by_step[start][index - 1].site, start)
        graph = self.evaluator.graph(function)
        flags = self._flags(function)
        named = {f[0] for clause in query.facts if isinstance(clause, frozenset) for f in clause}
        tracked = self._tracked_tests(function) | flags | named
        outcome = Outcome()
        suspends = function.is_generator
        hop = _stay if query.exceptions or suspends else self._hop(function, query)
        limit = _STATES_PER_NODE * len(graph.nodes) + 1000
        seen: set[_State] = set()
        work = [(_State(start, query.facts), index)]
        found: set[Event] = set()
        settled = query.settled if query.depth == 0 else None
        trail = _Trail()
        while work and len(seen) < limit and (query.sought is None or query.sought):
            state, first = work.pop()
            if settled is not None and first == 0 and state in settled:
                _merge_ends(outcome, settled[state])
                trail.ends[state] = settled[state]
                continue
            node = state.node
            quiet = node not in by_step
            stopped, passes_raising = (False, True) if quiet else self._run_step(state, first, query, found, outcome)
            completes, raises = node is graph.exit and not stopped, node is graph.raised and not stopped
            outcome.completes, outcome.raises = outcome.completes or completes, outcome.raises or raises
            onward: list[Node] = [] if stopped else list(node.successors)
            leaving = query.until_exit and raises_system_exit(node)
            outcome.stopped = outcome.stopped or stopped or leaving
            if settled is not None and first == 0:
                trail.ends[state] = Outcome([], completes, raises, stopped or leaving)
            raising = query.exceptions or (query.raising and isinstance(node.item, ast.Raise) and not leaving)
            unmade = whole and node is start and first == index
            raising = raising or (suspends and self._closed_at(node, function, query.subject))
            if raising and passes_raising and not unmade:
                onward += node.raises
            known = _with_flag(state.facts, node, flags) if flags else state.facts
            for target in onward:
                facts = self._facts_on(target, known, tracked, query) if target.is_test_or_loop else known
                if facts is None or (query.one_element and self._is_next_element(node, target, query.subject)):
                    continue
                following = _State(hop(target), facts)
                if settled is not None and first == 0:
                    trail.before.setdefault(following, []).append(state)
                if following not in seen:
                    seen.add(following)
                    work.append((following, 0))
        if settled is not None and not work:
            trail.settle(settled)
        return outcome

    def _hop(self, function: Function, query: Query) -> Callable[[Node], Node]:
        """Return what leads from a step to the next one, itself included, at which the search has something to see."""
        places = self._stretches.get(function)
        if places is None:
            places = self._stretches[function] = self._stretched(function)
        stops = [self._stops_of(subject, function) for subject in (query.subject, *query.also)]

        def hop(node: Node) -> Node:
            if node not in places:
                return node
            stretch, index = places[node]
            end = len(stretch.nodes) - 1
            for to_stop_at in (stretch.busy, *(of_subject.get(stretch, []) for of_subject in stops)):
                following = bisect_left(to_stop_at, index)
                end = min([end, *to_stop_at[following : following + 1]])
            return stretch.nodes[end]

        return hop

    def _stops_of(self, subject: Value, function: Function) -> dict[_Stretch, list[int]]:
        """The places in the stretches of a function, in order, at which something happens to `subject`."""
        known = self._stops.get((subject, function))
        if known is None:
            known = self._stops[subject, function] = {}
            places = self._stretches[function]
            for event in self._events_in(function, subject):
                if event.step in places:
                    stretch, index = places[event.step]
                    insort(known.setdefault(stretch, []), index)
        return known

    def _events_in(self, function: Function, subject: Value) -> list[Event]:
        """What happens to `subject` in one function."""
        parted = self._parted.get(subject)
        if parted is None:
            parted = self._parted[subject] = {}
            for event in self._known.by_subject.get(subject, ()):
                parted.setdefault(event.function, []).append(event)
        return parted.get(function, [])

    def _stretched(self, function: Function) -> dict[Node, tuple[_Stretch, int]]:
        """The stretch that each step of `function` stands in, with its place there; without tests and loops."""
        by_step = self._around(function).by_step
        places: dict[Node, tuple[_Stretch, int]] = {}
        for start in self.evaluator.graph(function).nodes:
            stretch, node = _Stretch(), start
            while len(node.successors) == 1 and not node.is_test_or_loop and node not in places:
                places[node] = stretch, len(stretch.nodes)
                if _may_concern_all(node, by_step.get(node, ())):
                    stretch.busy.append(len(stretch.nodes))
                stretch.nodes.append(node)
                node = node.successors[0]
        return places

    def _run_step(
        self, state: _State, first: int, query: Query, found: set[Event], outcome: Outcome
    ) -> tuple[bool, bool]:
        """Go through the events of one node. Return whether the path ends here, and whether it may leave by raising."""
        for event in self._concerning(state.node, first, query):
            if event.kind is EventKind.CALL and isinstance(event.subject, FunctionReference):
                inner = self._enter(event, event.subject.function, query, state.facts)
                if inner is not None:
                    for hit in inner.hits:
                        if hit not in found:
                            found.add(hit)
                            outcome.hits.append(hit)
                    if not inner.completes:
                        return True, inner.raises
                    if query.exceptions and inner.raises:
                        continue
                continue
            if event.kind is EventKind.REFERENCE and isinstance(event.subject, FunctionReference):
                inner_function, subjects = event.subject.function, (query.subject, *query.also)
                if any(query.barrier(e) for s in subjects for e in self.concurrent(inner_function, s)):
                    return True, False
                continue
            if event.subject != query.subject and event.subject not in query.also:
                if query.until_exit and _ends_process(event):
                    return True, False
                continue
            if event.kind is EventKind.ABSENT:
                return True, False
            if query.barrier(event):
                return True, not query.barrier_when_raising(event)
            if query.target(event):
                if event not in found:
                    found.add(event)
                    outcome.hits.append(event)
                    if query.sought is not None:
                        query.sought.discard(event.site)
                if not query.beyond:
                    return True, False
        return False, True

    def _concerning(self, node: Node, first: int, query: Query) -> list[Event]:
        """The events of one node from `first` on; of many only those that a query may ask about."""
        events = self._known.by_step[node]
        if len(events) < _MANY_EVENTS:
            return events[first:]
        numbers = self._numbers.get(node)
        if numbers is None:
            numbers = self._numbers[node] = {}
            for number, event in enumerate(events):
                key = None if _may_concern_any(event) else event.subject
                numbers.setdefault(key, []).append(number)
        asked = sorted(n for key in {None, query.subject, *query.also} for n in numbers.get(key, ()) if n >= first)
        return [events[number] for number in asked]

    def _enter(self, call: Event, callee: Function, query: Query, facts: Facts) -> Outcome | None:
        """What happens in a called function of the module; None when it has nothing to do with the subject."""
        if callee.is_context_manager or not any(callee in self.relevant(s) for s in (query.subject, *query.also)):
            return None
        inside = self._facts_inside(call, callee, facts | query.facts)
        key = (callee, inside)
        known = query.inside.get(key)
        if known is None and query.depth < _CALL_DEPTH:
            query.inside[key] = Outcome(completes=True)  # a recursive call brings nothing new
            query.depth += 1
            entry, outside = self.evaluator.graph(callee).entry, query.facts
            query.facts = inside
            known = query.inside[key] = self._search(callee, entry, 0, query)
            query.facts = outside
            query.depth -= 1
        return known

    def _facts_inside(self, call: Event, callee: Function, facts: Facts) -> Facts:
        """What is known in a called function: of its parameters, and of names that mean the same there."""
        if not facts:
            return facts
        inside: set[Fact | frozenset[Fact]] = {
            f for f in facts if not isinstance(f, frozenset) and f[0].partition(".")[0] not in callee.names
        }
        if callee is call.function or (callee.receiver and callee.receiver == call.function.receiver):
            inside |= {f for f in facts if isinstance(f, frozenset) or f[0].startswith(f"{callee.receiver}.")}
        given = self.evaluator.given(call.call, callee).named if call.call is not None else {}
        for name, arguments in given.items():
            key = self.key(arguments[0].value) if len(arguments) == 1 else None
            if key is not None and self._keeps_truth(name, callee):
                inside |= {(name, truth is key[1]) for truth in (True, False) if (key[0], truth) in facts}
        return frozenset(inside)

    # -- feasibility -----------------------------------------------------------------------------------------------

    def _facts_on(self, node: Node, facts: Facts, tracked: frozenset[str], query: Query | None = None) -> Facts | None:
        """The facts after stepping onto `node`; None when that contradicts what is known."""
        if query is not None and node.kind is NodeKind.SKIPPED:
            return None if self._holds(node, query.subject) else facts
        if node.kind is not NodeKind.ASSUME:
            return facts
        if not self.feasible(node):
            return None
        assert isinstance(node.item, ast.expr)
        key = self.key(node.item)
        if key is None:
            return facts
        text, positive = key
        truth = node.truth is positive
        if (text, not truth) in facts:
            return None
        if text not in tracked:
            return facts
        facts = facts | {(text, truth)}
        return facts if consistent(facts) else None

    def _is_next_element(self, node: Node, target: Node, subject: Value) -> bool:
        """Whether a loop over several handles, `subject` among them, goes on from `node` to the next one."""
        goes_on = target.kind is NodeKind.NEXT and any(n.kind is NodeKind.EXHAUSTED for n in node.successors)
        return goes_on and self._holds(target, subject)

    def _closed_at(self, node: Node, function: Function, subject: Value) -> bool:
        """Whether `function`, a generator, is suspended at `node`, where `close()` raises as a matter of course.

        A generator that hands out what it reads is normally exhausted, not closed.
        """
        if not any(isinstance(p, ast.Yield) for e in node.expressions() for p in walk(e)):
            return False
        return not any(e.function is function and e.kind is EventKind.READ for e in self.events(subject))

    def feasible(self, node: Node) -> bool:
        """Whether a branch can be taken at all on the target platform and Python version."""
        known = self._feasible.get(node)
        if known is None:
            assert isinstance(node.item, ast.expr)
            truth = self.evaluator.truth(node.item, self.evaluator.function_of_step(node), None)
            known = self._feasible[node] = truth is None or truth is node.truth
        return known

    def _holds(self, node: Node, subject: Value) -> bool:
        """Whether the loop of a SKIPPED node runs over a collection that holds `subject`."""
        known = self._containers.get(node)
        if known is None:
            assert isinstance(node.item, ast.For | ast.AsyncFor)
            function, iterate = self.evaluator.function_of_step(node), self.evaluator.iterate
            ways = [iterate(node.item.iter, function, None, (), path) for path in ((), (0,), (1,))]
            found = frozenset[Value]().union(*ways)
            known = self._containers[node] = found | {v.handle for v in found if isinstance(v, Pipe)}
        return subject in known

    def key(self, test: ast.expr) -> Fact | None:
        """A test as text with its polarity (`x is not None` is `x is None`, negative); None if it has calls."""
        if test not in self._keys:
            self._keys[test] = _normal_form(test)
        return self._keys[test]

    def _tracked_tests(self, function: Function) -> frozenset[str]:
        """The tests that stand more than once in a function, over names that it never changes."""
        known = self._tracked.get(function)
        if known is None:
            counts: dict[str, int] = {}
            for node in self.evaluator.graph(function).nodes:
                if node.kind is NodeKind.ASSUME and node.truth and isinstance(node.item, ast.expr):
                    key = self.key(node.item)
                    if key is not None and self._is_stable(node.item, function):
                        counts[key[0]] = counts.get(key[0], 0) + 1
            repeated = [text for text, count in counts.items() if count > 1]
            known = self._tracked[function] = frozenset(repeated[:_TRACKED_TESTS])
        return known

    def _flags(self, function: Function) -> frozenset[str]:
        """The tested locals of a function that only it assigns to, and nothing but True and False."""
        known = self._flags_of.get(function)
        if known is None:
            found: dict[str, None] = {}
            for node in self.evaluator.graph(function).nodes:
                test = node.item if node.kind is NodeKind.ASSUME and node.truth else None
                if isinstance(test, ast.Name) and test.id not in self._shared_names and self._is_flag(test, function):
                    found[test.id] = None
            known = self._flags_of[function] = frozenset(list(found)[:_TRACKED_TESTS])
        return known

    def _is_stable(self, test: ast.expr, function: Function) -> bool:
        """Whether a test comes out the same wherever it stands in a function, as far as names go."""
        return all(self._keeps_truth(part.id, function) for part in walk(test) if isinstance(part, ast.Name))

    def _keeps_truth(self, name: str, function: Function) -> bool:
        """Whether `name` is bound once, before all use, or again only where it is true (`if data: data += "x"`)."""
        bindings = function.names.get(name, [])
        return all(
            self._stands_under(self.evaluator.scopes.conditions.get(b.statement), name) for b in bindings[1:]
        ) or self._is_settled_first(name, bindings[-1], function)

    def _is_settled_first(self, name: str, last: Binding, function: Function) -> bool:
        """Whether a local gets its last value in front of all that reads it: `quiet = quiet or options.quiet`."""
        if last.kind is not BindingKind.ASSIGN or last.function is not function or name in function.outer_names:
            return False
        line = getattr(last.statement, "lineno", 0)
        if any(getattr(b.statement, "lineno", 0) >= line for b in function.names[name][:-1]):
            return False
        steps = self.evaluator.locate(function, last.statement)
        return not any(s.loops for s in steps) and self._first_read(name, function) >= line

    def _first_read(self, name: str, function: Function) -> int:
        """The line of the first place in a function that reads `name`."""
        lines = self._first_reads.get(function)
        if lines is None:
            lines = self._first_reads[function] = {}
            for part in walk(function.node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                    lines[part.id] = min(part.lineno, lines.get(part.id, part.lineno))
        return lines.get(name, 0)

    def _stands_under(self, condition: Condition | None, name: str) -> bool:
        return any(
            isinstance(part, ast.Name) and part.id == name and truth
            for link in Condition.chain(condition)
            for part, truth in _atoms(link.test, truth=link.truth)
        )

    @staticmethod
    def _is_flag(test: ast.expr, function: Function) -> bool:
        """Whether a test is a local that only ever holds True or False."""
        if not isinstance(test, ast.Name) or not (bindings := function.names.get(test.id)):
            return False
        return all(
            isinstance(b.value, ast.Constant) and isinstance(b.value.value, bool) and not b.path for b in bindings
        )

    def facts_under(self, condition: Condition | None, function: Function) -> Facts:
        """The facts that hold for a statement under a chain of tests."""
        facts: set[Fact | frozenset[Fact]] = set()
        for link in Condition.chain(condition):
            for part, truth in _atoms(link.test, truth=link.truth):
                if isinstance(part, ast.BoolOp):
                    parts = [self._fact(p, function, truth=truth) for p in part.values]
                    if all(p is not None for p in parts):
                        facts.add(frozenset(p for p in parts if p is not None))
                elif (fact := self._fact(part, function, truth=truth)) is not None:
                    facts.add(fact)
        return frozenset(facts)

    def _fact(self, test: ast.expr, function: Function, *, truth: bool) -> Fact | None:
        while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, truth = test.operand, not truth
        key = self.key(test)
        known = key is not None and (self._is_stable(test, function) or self._is_flag(test, function))
        return (key[0], truth is key[1]) if key is not None and known else None

    def flags_behind(self, statement: ast.AST, call: ast.Call, function: Function) -> Facts:
        """The flags that are set in one way only wherever a path comes from `statement` to `call`."""
        flags = self._flags(function)
        if not flags:
            return NO_FACTS
        graph = self.evaluator.graph(function)
        first, goals = self.evaluator.locate(function, statement), self.evaluator.locate(function, call)
        common: Facts | None = None
        work: list[tuple[Node, Facts, bool]] = [(graph.entry, NO_FACTS, False)]
        seen = set(work)
        while work:
            node, facts, passed = work.pop()
            if passed and node in goals:
                common = facts if common is None else common & facts
                continue
            passed = passed or node in first
            facts = _with_flag(facts, node, flags)
            for target in (*node.successors, *node.raises):
                onward = self._facts_on(target, facts, flags) if target.kind is NodeKind.ASSUME else facts
                if onward is not None and (target, onward, passed) not in seen:
                    seen.add((target, onward, passed))
                    work.append((target, onward, passed))
            if len(seen) > _STATES_PER_NODE * len(graph.nodes):
                return NO_FACTS
        return common or NO_FACTS

    # -- handles ---------------------------------------------------------------------------------------------------

    def starts(self, subject: Value) -> list[Event]:
        """The events at which `subject` comes to be."""
        return self.events(subject, EventKind.CREATE)

    def roots(self, subject: Value) -> list[Function]:
        """Where a search for `subject` must begin besides its creation.

        These are the functions that see it (as attribute, global, parameter or closure) and are not merely called
        by another one that does. What only calls the makers sees nothing of it.
        """
        creators = {e.function for e in self.starts(subject)}
        relevant = self._lead_to({e.function: None for e in self._known.by_subject.get(subject, ())}, beyond=creators)
        found: list[Function] = []
        for function in in_source_order(relevant - creators):
            inner = [
                e.function
                for e in self.callers.get(function, ())
                if e.function in relevant and e.function is not function
            ]
            if not inner or function.is_context_manager:
                found.append(function)
        return found


def in_source_order(functions: Iterable[Function]) -> list[Function]:
    """`functions` as they stand in the source, the module itself first."""
    return sorted(functions, key=lambda f: (getattr(f.node, "lineno", 0), getattr(f.node, "col_offset", 0)))


def _with_flag(facts: Facts, step: Node, flags: frozenset[str]) -> Facts:
    """`facts` behind `step`, which may assign True or False to one of `flags`."""
    match step.item:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=bool(truth))) if name in flags:
            kept = {f for f in facts if not any(text == name for text, _ in ([f] if isinstance(f, tuple) else f))}
            return frozenset(kept) | {(name, truth)}
        case _:
            return facts


def _stay(node: Node) -> Node:
    return node


def _may_concern_all(node: Node, events: Iterable[Event]) -> bool:
    """Whether a step counts for every subject: it calls, hands on, ends the process, raises, or sets a flag."""
    match node.item:
        case ast.Raise() | ast.Assign(value=ast.Constant(value=bool())):
            return True
        case _:
            return any(map(_may_concern_any, events))


def _may_concern_any(event: Event) -> bool:
    return isinstance(event.subject, FunctionReference) or _ends_process(event)


def _ends_process(event: Event) -> bool:
    return isinstance(event.subject, External) and event.subject.name in ENDS_PROCESS


def _is_last_call(site: ast.AST, step: Node) -> bool:
    """Whether the call `site` is the last one that `step` makes."""
    calls = [part for part in step.parts if isinstance(part, ast.Call)]
    return bool(calls) and calls[-1] is site


def consistent(facts: Facts) -> bool:
    """Whether all of `facts` can hold at once."""
    plain = {f for f in facts if not isinstance(f, frozenset)}
    if any((text, not truth) in plain for text, truth in plain):
        return False
    return not any(isinstance(c, frozenset) and all((t, not v) in plain for t, v in c) for c in facts)


def _atoms(test: ast.expr, *, truth: bool) -> Iterable[tuple[ast.expr, bool]]:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _atoms(operand, truth=not truth)
        case ast.BoolOp(op=ast.And(), values=values) if truth:
            for value in values:
                yield from _atoms(value, truth=True)
        case ast.BoolOp(op=ast.Or(), values=values) if not truth:
            for value in values:
                yield from _atoms(value, truth=False)
        case _:
            yield test, truth


def _normal_form(test: ast.expr) -> Fact | None:
    match test:
        case ast.Constant():
            return None
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _normal_form(operand)
            return None if inner is None else (inner[0], not inner[1])
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            if any(isinstance(p, ast.Call | ast.NamedExpr | ast.Await) for p in ast.walk(test)):
                return None
            match op:
                case ast.IsNot() | ast.NotEq():
                    return f"{ast.unparse(left)} = {ast.unparse(right)}", False
                case ast.Is() | ast.Eq():
                    return f"{ast.unparse(left)} = {ast.unparse(right)}", True
                case _:
                    return ast.unparse(test), True
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return ast.unparse(test), True
        case _:
            return None
