"""Questions about the end of children: who signals them, who makes sure, who reaps them, who gives up on them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.model.care import either, reaps, waits_for_ever
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.children import StreamState
from flake8_forksafe.model.events import Event, EventKind, Signal
from flake8_forksafe.model.flow import Outcome, Predicate
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import ClassReference, External, FunctionReference, Handle, Value
from flake8_forksafe.stdlib.calls import RUNS_FOREIGN_CODE, SETS_HANDLER
from flake8_forksafe.stdlib.subprocess import STREAMS, TIMEOUT_CATCHERS, Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_ENDING = frozenset({Signal.TERMINATE, Signal.KILL, Signal.INTERRUPT})
_ACTIVE_CHILDREN = frozenset({"multiprocessing.active_children"})


def ends_child(event: Event) -> bool:
    """Whether an event is a signal meant to end the child."""
    return event.kind is EventKind.SIGNAL and event.signal in _ENDING


def escalates(event: Event) -> bool:
    """Whether an event sends SIGKILL, or a signal that a caller chooses and that may be SIGKILL."""
    return event.kind is EventKind.SIGNAL and event.signal in (Signal.KILL, Signal.UNKNOWN)


def escapes(event: Event) -> bool:
    """Whether the handle is given to code out of sight."""
    return event.kind is EventKind.ESCAPE


def creates(event: Event) -> bool:
    """Whether the handle is made here, so that what was before belongs to another child."""
    return event.kind is EventKind.CREATE


def waits_unbounded(event: Event) -> bool:
    """Whether the caller blocks here for as long as the child likes, at the end of a `with` block too."""
    communicates = event.kind is EventKind.COMMUNICATE and not event.timed and not event.concurrent
    return communicates or waits_for_ever(event) or event.kind is EventKind.LEAVE


def nothing(_event: Event) -> bool:
    """Whether an event is of no kind at all: the predicate for searches that only ask where paths end."""
    return False


class AbandonedChild(NamedTuple):
    """A handler that takes notice of a timeout and leaves the child alone."""

    wait: Event
    handler: ast.ExceptHandler


@dataclass(slots=True, eq=False)
class Aftermath:
    """What comes after an event, through the ends of functions into their callers.

    `ends` are the functions at whose end, as far as the module shows, nothing more comes.
    """

    hits: list[Event] = field(default_factory=list)
    ends: set[Function] = field(default_factory=set)


class Ending:
    """How the children of one module are ended."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._taken: dict[Function, frozenset[Node]] = {}
        self._gentle: dict[Handle, list[Event]] = {}

    # -- signals ---------------------------------------------------------------------------------------------------

    def signals(self, handle: Handle) -> Iterator[Event]:
        """The signals sent to `handle` on a platform that has them, each site once."""
        seen: set[ast.AST] = set()
        for event in self._model.flow.events(handle, EventKind.SIGNAL):
            if event.site not in seen and self.can_happen(event.step, event.function):
                seen.add(event.site)
                yield event

    def can_happen(self, step: Node, function: Function) -> bool:
        """Whether a path of `function` leads to `step` on the target platform."""
        known = self._taken.get(function)
        if known is None:
            feasible = self._model.flow.feasible
            entry = self._model.evaluator.graph(function).entry
            known = self._taken[function] = frozenset(
                _onward({entry}, lambda node: node.kind is NodeKind.ASSUME and not feasible(node)),
            )
        return step in known

    def aliases(self, handle: Handle) -> list[Handle]:
        """`handle` as its factories saw it, as their callers see it, and as the methods of its own class see it."""
        lives = self._model.lives(handle)
        found = [h for h in self._model.handles if h in lives or handle in self._model.lives(h)]
        if isinstance(handle.site, ast.Call):
            home = self._model.scopes.home.get(handle.site)
            made = self._model.evaluator.eval(handle.site.func, home, None) if home is not None else ()
            classes = [v.cls for v in made if isinstance(v, ClassReference)]
        else:
            cls = self._model.scopes.class_by_node.get(handle.site)
            classes = [cls] if cls is not None else []
        for cls in classes:
            found.extend(Handle(handle.family, c.node) for c in self._model.evaluator.family(cls))
        return found

    def happens_to(self, handle: Handle) -> Iterator[Event]:
        """All events of a handle, under whatever name it is known there."""
        for alias in self.aliases(handle):
            yield from self._model.flow.events(alias)

    def named_calls(self, *names: str) -> Iterator[Event]:
        """The calls of functions out of sight, by name."""
        for event in self._model.flow.of_kind(EventKind.EXTERNAL):
            if isinstance(event.subject, External) and event.subject.name in names:
                yield event

    # -- escalation ------------------------------------------------------------------------------------------------

    def gentle_signals(self, handle: Handle) -> list[Event]:
        """The SIGTERMs, the first of each function, of a handle that nothing in sight ever sends SIGKILL."""
        known = self._gentle.get(handle)
        if known is None:
            known = self._gentle[handle] = list(self._find_gentle(handle))
        return known

    def _find_gentle(self, handle: Handle) -> Iterator[Event]:
        terms = [e for e in self.signals(handle) if e.signal is Signal.TERMINATE and not self._is_escalated(e)]
        if not terms or self._dies_of_sigterm(handle):
            return
        held = self._held_until(handle, set(terms))
        done: set[Function] = set()
        for event in sorted(terms, key=place):
            if event.function in done:
                continue
            if event in held or self.aftermath(event, waits_unbounded, nothing).hits:
                done.add(event.function)
                yield event

    def _held_until(self, handle: Handle, events: set[Event]) -> set[Event]:
        """Those of `events` that some path reaches before the handle is given to code out of sight."""
        query = self._model.query(handle, events.__contains__, escapes, exceptions=True, beyond=True)
        sites = {e.site for e in self._model.exposed(query)}
        return {e for e in events if e.site in sites}

    def _is_escalated(self, signal: Event) -> bool:
        """Whether anything in sight sends SIGKILL to the handle of `signal`.

        What stands on a branch of the same function that excludes `signal` does not count.
        """
        assert isinstance(signal.subject, Handle)
        kills = {e for e in self.happens_to(signal.subject) if escalates(e)}
        own = self._called_only_by(signal.function)
        return any(e.function not in own for e in kills) or self._meets(signal, kills)

    def _meets(self, signal: Event, others: set[Event]) -> bool:
        """Whether a path of the function of `signal` holds it and one of `others`, or a call that leads to one."""
        flow = self._model.flow
        leading = {e.function for e in others}
        steps = {e.step for e in others if e.function is signal.function}
        for table in (flow.callers, flow.references):
            for callee, events in table.items():
                if not leading.isdisjoint(flow.reachable(callee)):
                    steps.update(e.step for e in events if e.function is signal.function)
        made = {e.step for e in flow.starts(signal.subject)}
        before, after = _onward(steps, made.__contains__), _onward({signal.step}, made.__contains__)
        return signal.step in before or not steps.isdisjoint(after)

    def _called_only_by(self, function: Function) -> frozenset[Function]:
        """`function` and what nobody but it, or what it calls, ever calls."""
        callers, references = self._model.flow.callers, self._model.flow.references
        found = set(self._model.flow.reachable(function))
        while True:
            shared = {
                f
                for f in found
                if f is not function
                and any(c.function not in found for c in (*callers.get(f, ()), *references.get(f, ())))
            }
            if not shared:
                return frozenset(found)
            found -= shared

    def _dies_of_sigterm(self, handle: Handle) -> bool:
        """Whether the child runs nothing but this module's code, and nothing in the module handles a signal."""
        if handle.family is not Family.MULTIPROCESSING or any(True for _ in self.named_calls(*SETS_HANDLER)):
            return False
        inside: set[Function] = set()
        for target in self._model.spawn(handle).values("target"):
            if not isinstance(target, FunctionReference):
                return False
            inside |= self._model.flow.reachable(target.function)
        external = self._model.flow.of_kind(EventKind.EXTERNAL)
        return bool(inside) and not any(_is_foreign(e) for e in external if e.function in inside)

    # -- paths -----------------------------------------------------------------------------------------------------

    def aftermath(self, event: Event, target: Predicate, barrier: Predicate, start: Node | None = None) -> Aftermath:
        """What some path meets after `event` (or from `start`), through `raise` statements and into the callers."""
        query = self._model.query(event.subject, target, barrier)
        query.raising = query.until_exit = True
        query.one_element = start is not None
        flow, found = self._model.flow, Aftermath()
        first = flow.after(event, query) if start is None else flow.from_step(event.function, start, query)
        work: list[tuple[Function, Outcome]] = [(event.function, first)]
        seen: set[Event] = set()
        while work:
            function, outcome = work.pop()
            found.hits.extend(h for h in outcome.hits if h not in found.hits)
            if function.is_module or not (outcome.completes or outcome.raises):
                continue
            calls = self._calls_with(function, query.subject)
            if not calls:
                found.ends.add(function)
            for call in calls:
                if call in seen:
                    continue
                seen.add(call)
                if outcome.completes:
                    work.append((call.function, flow.after(call, query)))
                else:
                    work.extend((call.function, flow.from_step(call.function, n, query)) for n in call.step.raises)
        return found

    def _calls_with(self, function: Function, subject: Value) -> list[Event]:
        """The calls of `function` in the module, those that pass `subject` if any does."""
        if function.is_generator:
            return []
        calls = [c for c in self._model.flow.callers.get(function, ()) if c.function is not function]
        return [c for c in calls if self._passes(c, function, subject)] or calls

    def _passes(self, call: Event, function: Function, subject: Value) -> bool:
        if call.call is None:
            return False
        evaluator = self._model.evaluator
        given = (a for group in evaluator.given(call.call, function).named.values() for a in group)
        return any(subject in evaluator.eval(a.value, a.function, call.step) for a in given)

    def _is_handed_on(self, function: Function) -> bool:
        """Whether a function runs at a time of its own: as a callback, a thread or an exit handler."""
        return bool(self._model.flow.references.get(function)) and not self._model.flow.callers.get(function)

    # -- reaping ---------------------------------------------------------------------------------------------------

    def unreaped_signals(self, handle: Handle) -> Iterator[Event]:
        """The last signals after which nothing in sight reaps `handle`."""
        if not isinstance(handle.site, ast.expr):
            return  # a parameter's handle, and `self` of a Popen, belong to somebody out of sight too
        signals = {e for e in self.signals(handle) if ends_child(e)}
        if not signals or self._reaped_by_any(handle):
            return
        spoken = {e.site for e in self.gentle_signals(handle)}
        for event in sorted(self._held_until(handle, signals), key=place):
            after = self.aftermath(event, nothing, either(reaps, escapes, ends_child))
            if after.ends and event.site not in spoken and not self._reaped_elsewhere(event, after.ends):
                yield event

    def _reaped_elsewhere(self, signal: Event, ends: set[Function]) -> bool:
        """Whether another function reaps the child: one called later, or one that waits in another thread meanwhile."""
        model, handle = self._model, signal.subject
        assert isinstance(handle, Handle)
        at_any_time = signal.concurrent or any(self._is_handed_on(f) for f in ends)
        own = self._called_only_by(signal.function)
        for event in self.happens_to(handle):
            if not reaps(event) or (event.function in own and not at_any_time and not event.concurrent):
                continue
            if event.kind is not EventKind.POLL or at_any_time or event.step.loops:
                return True
            query = model.query(event.subject, reaps, creates, exceptions=True)
            if model.flow.from_entry(event.function, query).hits:
                return True  # not just a look at whether it has started
        return False

    def _reaped_by_any(self, handle: Handle) -> bool:
        """Whether something reaps every child of the process: `os.wait()`, `active_children()`, an ignored SIGCHLD."""
        if handle.family is Family.MULTIPROCESSING and any(True for _ in self.named_calls(*_ACTIVE_CHILDREN)):
            return True
        statuses = self._model.statuses
        return any(True for _ in statuses.waits_for_any()) or any(True for _ in statuses.ignored())

    # -- timeouts --------------------------------------------------------------------------------------------------

    def abandoned(self, handle: Handle) -> Iterator[AbandonedChild]:
        """The handlers of a timeout of `handle` that neither end the child nor wait again, there or afterwards."""
        model = self._model
        timed = {
            event: clause
            for event in model.flow.events(handle, EventKind.WAIT, EventKind.COMMUNICATE)
            if event.timed and self.can_happen(event.step, event.function)
            if (clause := self._catcher(event, handle.family)) is not None
        }
        if not timed:
            return
        barrier = either(ends_child, escapes)
        query = model.query(handle, timed.__contains__, barrier, exceptions=True, beyond=True)
        exposed = {e.site for e in model.exposed(query)}
        for event, clause in timed.items():
            if event.site in exposed and not self._is_looked_after(event, clause):
                yield AbandonedChild(event, clause)

    def _catcher(self, event: Event, family: Family) -> ast.ExceptHandler | None:
        """The first clause around a bounded wait that catches its timeout."""
        for clause in event.step.handlers:
            types = clause.type.elts if isinstance(clause.type, ast.Tuple) else [clause.type]
            for one in types:
                if one is None:
                    return clause if TIMEOUT_CATCHERS[family] else None
                values = self._model.evaluator.eval(one, event.function, None)
                if any(isinstance(v, External) and v.name in TIMEOUT_CATCHERS[family] for v in values):
                    return clause
        return None

    def _is_looked_after(self, event: Event, clause: ast.ExceptHandler) -> bool:
        def cares(other: Event) -> bool:
            polls = other.kind is EventKind.POLL and bool(other.step.loops)
            again = other.kind in (EventKind.WAIT, EventKind.COMMUNICATE, EventKind.REAP, EventKind.LEAVE)
            return polls or again or ends_child(other) or escalates(other) or escapes(other)

        nodes = self._model.evaluator.graph(event.function).nodes
        handlers = [n for n in nodes if n.kind is NodeKind.HANDLER and n.item is clause]
        return any(self.aftermath(event, cares, nothing, node).hits for node in handlers)

    # -- children nobody waits for -------------------------------------------------------------------------------------

    def is_forgotten(self, handle: Handle) -> bool:
        """Whether nothing in sight waits for, polls, signals or hands on `handle`, and it is no daemon."""
        model = self._model
        made = [e for e in model.flow.starts(handle) if self.can_happen(e.step, e.function)]
        if not made or self._is_daemon(handle) or self._reaped_by_any(handle):
            return False
        if handle.family is Family.MULTIPROCESSING and not model.flow.events(handle, EventKind.START):
            return False
        if any(model.statuses.in_forked_child(e) for e in made):
            return False
        cares = either(reaps, ends_child, escalates, escapes)
        if not model.happens(handle, cares):
            return True
        lost = any(model.flow.after(e, model.query(handle, creates, cares)).hits for e in made)
        return lost and not self._is_collected(handle)

    def _is_collected(self, handle: Handle) -> bool:
        """Whether a container takes the handle in, so that making the next one loses nothing."""
        evaluator = self._model.evaluator
        for mutation in self._model.scopes.mutations:
            steps = evaluator.locate(mutation.function, mutation.node)
            if handle in evaluator.eval(mutation.value, mutation.function, steps[0] if steps else None):
                return True
        return False

    def _is_daemon(self, handle: Handle) -> bool:
        spawn = self._model.spawn(handle)
        if handle.family is Family.MULTIPROCESSING:
            return spawn.flag("daemon") is not False or self._is_made_daemon(handle)
        states = {setting.state for name in STREAMS for setting in spawn.stream(name)}
        return StreamState.INHERITED not in states and spawn.own_group is not False

    def _is_made_daemon(self, handle: Handle) -> bool:
        """Whether `handle.daemon = …` is assigned anywhere."""
        evaluator = self._model.evaluator
        for function in self._model.flow.relevant(handle):
            for step in evaluator.graph(function).nodes:
                match step.item:
                    case ast.Assign(targets=[ast.Attribute(attr="daemon", value=base)]):
                        if handle in evaluator.eval(base, function, step):
                            return True
                    case _:
                        continue
        return False


def place(event: Event) -> tuple[int, int]:
    """Where an event stands in the source, to sort by."""
    return event.site.lineno, event.site.col_offset


def _onward(steps: set[Node], unless: Callable[[Node], bool]) -> set[Node]:
    """The graph nodes that `steps` lead to, themselves included, but for those that `unless` bars."""
    found, work = set(steps), list(steps)
    while work:
        node = work.pop()
        for onward in (*node.successors, *node.raises):
            if onward not in found and not unless(onward):
                found.add(onward)
                work.append(onward)
    return found


def _is_foreign(event: Event) -> bool:
    """Whether a call runs code that may install a signal handler: a third party's, or an imported plug-in's."""
    assert isinstance(event.subject, External)
    name = event.subject.name
    return name in RUNS_FOREIGN_CODE or name.partition(".")[0] not in {"builtins", *sys.stdlib_module_names}
