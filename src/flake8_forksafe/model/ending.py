"""Questions about the end of children: who signals them, who makes sure, who reaps them, who gives up on them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.model.care import either, reaps, waits_for_ever
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.children import StreamState
from flake8_forksafe.model.events import Event, EventKind, Signal, named_signal
from flake8_forksafe.model.flow import Outcome, Predicate, Query, in_source_order
from flake8_forksafe.model.scopes import Class, Function
from flake8_forksafe.model.values import (
    ClassReference,
    Derived,
    External,
    FunctionReference,
    Handle,
    Method,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import ENDS_PROCESS, INSPECTING, LOGGING_METHODS, PLAIN_METHODS, RUNS_FOREIGN_CODE
from flake8_forksafe.stdlib.names import STANDARD_MODULES
from flake8_forksafe.stdlib.subprocess import STREAMS, TIMEOUT_CATCHERS, Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_ENDING = frozenset({Signal.TERMINATE, Signal.KILL, Signal.INTERRUPT})
_ACTIVE_CHILDREN = "multiprocessing.active_children"


def ends_child(event: Event) -> bool:
    """Whether an event is a signal meant to end the child."""
    return event.kind is EventKind.SIGNAL and event.signal in _ENDING


def escalates(event: Event) -> bool:
    """Whether an event sends SIGKILL, or a signal that a caller chooses and that may be SIGKILL."""
    return event.kind is EventKind.SIGNAL and event.signal in (Signal.KILL, Signal.UNKNOWN)


def has_ended(event: Event) -> bool:
    """Whether the child is known to have ended, which nobody learns but by reaping it."""
    return event.kind is EventKind.ENDED


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


class _Escalations(NamedTuple):
    """What is done to one handle if it does not end, as seen from one function.

    Attributes:
        elsewhere: whether another function than it, and what it alone calls, sends SIGKILL.
        meets: its steps that share a path with SIGKILL.
        told: whether somebody is told the child's pid.
        tells: its steps that lead to that.
    """

    elsewhere: bool
    meets: frozenset[Node]
    told: bool
    tells: frozenset[Node]


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
        self._signals: dict[Handle, list[Event]] = {}
        self._gentle: dict[Handle, list[Event]] = {}
        self._escalated: dict[tuple[Handle, Function], _Escalations] = {}
        self._private: dict[Function, frozenset[Function]] = {}

    # -- signals ---------------------------------------------------------------------------------------------------

    def signals(self, handle: Handle) -> list[Event]:
        """The signals sent to `handle` on a platform that has them, and while it may still run; each site once."""
        known = self._signals.get(handle)
        if known is None:
            known = self._signals[handle] = list(self._find_signals(handle))
        return known

    def _find_signals(self, handle: Handle) -> Iterator[Event]:
        sent = [e for e in self._model.flow.events(handle, EventKind.SIGNAL) if self.can_happen(e.step, e.function)]
        if not sent or self._model.spawn(handle).is_for_windows:
            return
        made = self._model.flow.starts(handle)
        if made and not any(self.can_happen(e.step, e.function) for e in made):
            return
        met = self._met_alive(handle, set(sent))
        seen: set[ast.AST] = set()
        for event in sent:
            if event.site not in seen and event.site in met:
                seen.add(event.site)
                yield event

    def _met_alive(self, handle: Handle, events: set[Event]) -> frozenset[ast.AST]:
        """The sites of those of `events` that some path reaches before a wait for the child has returned."""
        ended = any(map(_has_ended, self._model.flow.events(handle)))
        if not ended or self._is_collected(handle):  # of several children, the end of one says nothing
            return frozenset(e.site for e in events)
        query = self._model.query(
            handle, events.__contains__, _has_ended, exceptions=True, beyond=True, elsewhere=nothing
        )
        query.barrier_when_raising = lambda event: event.kind is EventKind.ENDED
        return frozenset(e.site for e in self._model.exposed(query)) | {e.site for e in events if e.concurrent}

    def can_happen(self, step: Node, function: Function) -> bool:
        """Whether a path leads to `function`'s making, and in it to `step`, on the target platform."""
        known = self._taken.get(function)
        if known is None:
            feasible = self._model.flow.feasible
            entry = self._model.evaluator.graph(function).entry
            known = self._taken[function] = frozenset(
                _onward({entry}, lambda node: node.kind is NodeKind.ASSUME and not feasible(node)),
            )
        return step in known and self._is_defined(function) and self._model.context.may_be_called(function)

    def _is_defined(self, function: Function) -> bool:
        """Whether the `def` of `function` stands under no test that the target platform decides against it."""
        parent = function.parent
        if parent is None:
            return True
        return not self._model.evaluator.rules_out(function.condition, parent) and self._is_defined(parent)

    def aliases(self, handle: Handle) -> list[Handle]:
        """`handle` as its factories saw it, as their callers see it, and as the methods of its own class see it."""
        known = self._model.handed_on
        found: dict[Value, int] = {**known.get(handle, {})}
        found.update((life, known[life][life]) for life in self._model.lives(handle) if life in known.get(life, ()))
        aliases = [alias for alias in sorted(found, key=found.__getitem__) if isinstance(alias, Handle)]
        for cls in self._classes_of(handle):
            aliases.extend(Handle(handle.family, c.node) for c in self._model.evaluator.family(cls))
        return aliases

    def _classes_of(self, handle: Handle) -> list[Class]:
        """The module's own subclass that a handle is of, if it is of one."""
        if not isinstance(handle.site, ast.Call):
            cls = self._model.scopes.class_by_node.get(handle.site)
            return [cls] if cls is not None else []
        home = self._model.scopes.home.get(handle.site)
        made = self._model.evaluator.eval(handle.site.func, home, None) if home is not None else ()
        return [v.cls for v in made if isinstance(v, ClassReference)]

    def happens_to(self, handle: Handle) -> Iterator[Event]:
        """All events of a handle, under whatever name it is known there."""
        for alias in self.aliases(handle):
            yield from self._model.flow.events(alias)

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
            held_here = event in held and not self._is_override(event, handle)
            if held_here or self.aftermath(event, waits_unbounded, nothing).hits:
                done.add(event.function)
                yield event

    @staticmethod
    def _is_override(signal: Event, handle: Handle) -> bool:
        """Whether a subclass only redefines `terminate`, by which its users send SIGTERM and not SIGKILL."""
        return isinstance(handle.site, ast.ClassDef) and signal.function.name == "terminate"

    def _held_until(self, handle: Handle, events: set[Event]) -> set[Event]:
        """Those of `events` that some path reaches before the handle is given to code out of sight.

        A worker that nothing in sight starts is in the hands of such code already, that of a base class mostly.
        """
        made_here = handle.family is Family.MULTIPROCESSING and isinstance(handle.site, ast.Call)
        if made_here and not any(e.kind is EventKind.START for e in self.happens_to(handle)):
            return set()
        query = self._model.query(handle, events.__contains__, escapes, exceptions=True, beyond=True)
        sites = {e.site for e in self._model.exposed(query)}
        return {e for e in events if e.site in sites}

    def _is_escalated(self, signal: Event) -> bool:
        """Whether anything in sight sends SIGKILL to the handle of `signal`.

        What stands on a branch of the same function that excludes `signal` does not count.
        """
        assert isinstance(signal.subject, Handle)
        near = self._escalations(signal.subject, signal.function)
        if near.elsewhere or signal.step in near.meets or self._signals_by_number(signal.function, Signal.KILL):
            return True
        # Who is told the pid of a child that has not died of SIGTERM is there to kill it: `kill_process_tree(p.pid)`.
        if not near.told or signal.step in near.tells:
            return near.told
        return bool(self.aftermath(signal, _tells, nothing).hits)

    def _signals_by_number(self, function: Function, *wanted: Signal) -> bool:
        """Whether `function` sends a signal, or one of `wanted`, to a pid or group that may be that of any child."""
        evaluator = self._model.evaluator
        for call in self._model.flow.named_calls("os.kill", "os.killpg"):
            match call.call.args if call.function is function and call.call is not None else ():
                case [ast.Name() | ast.Attribute() | ast.Subscript() as number, signal]:
                    known = any(isinstance(v, Derived) for v in evaluator.eval(number, function, call.step))
                    sent = named_signal(evaluator.eval(signal, function, call.step))
                    if not known and (not wanted or sent in wanted):
                        return True
                case _:
                    continue
        return False

    def _escalations(self, handle: Handle, function: Function) -> _Escalations:
        """What is done to `handle` if it does not end, as seen from the steps of `function`."""
        known = self._escalated.get((handle, function))
        if known is None:
            events = list(self.happens_to(handle))
            kills = [e for e in events if escalates(e)]
            own = self._called_only_by(function)
            made = {e.step for e in self._model.flow.starts(handle)}
            told = {e.step for e in events if _tells(e)}
            steps = self._steps_to(kills, function)
            nodes = self._model.evaluator.graph(function).nodes
            known = self._escalated[handle, function] = _Escalations(
                elsewhere=any(e.function not in own for e in kills),
                meets=frozenset(_onward(steps, made.__contains__) | _leading_to(steps, nodes, made)),
                told=bool(told),
                tells=frozenset(_leading_to(told, nodes, made)),
            )
        return known

    def _steps_to(self, events: list[Event], function: Function) -> set[Node]:
        """The steps of `function` at which one of `events` happens, or a call that leads to one."""
        flow = self._model.flow
        steps = {e.step for e in events if e.function is function}
        leading = {e.function for e in events}
        work = list(leading)
        while work:
            callee = work.pop()
            for event in (*flow.callers.get(callee, ()), *flow.references.get(callee, ())):
                if event.function is function:
                    steps.add(event.step)
                if event.function not in leading:
                    leading.add(event.function)
                    work.append(event.function)
        return steps

    def _called_only_by(self, function: Function) -> frozenset[Function]:
        """`function` and what nobody but it, or what it calls, ever calls."""
        known = self._private.get(function)
        if known is None:
            callers, references = self._model.flow.callers, self._model.flow.references
            found = set(self._model.flow.reachable(function))
            while shared := {
                f
                for f in found
                if f is not function
                and any(c.function not in found for c in (*callers.get(f, ()), *references.get(f, ())))
            }:
                found -= shared
            known = self._private[function] = frozenset(found)
        return known

    def _dies_of_sigterm(self, handle: Handle) -> bool:
        """Whether the child runs nothing but this module's code, and nothing in the module handles SIGTERM."""
        if handle.family is not Family.MULTIPROCESSING or any(
            map(self._handles_sigterm, self._model.flow.named_calls("signal.signal"))
        ):
            return False
        inside: set[Function] = set()
        for entry in self._entries(handle):
            if not isinstance(entry, FunctionReference):
                return False
            inside |= self._model.flow.reachable(entry.function)
        return bool(inside) and all(self._is_in_sight(call, f) for f in in_source_order(inside) for call in f.calls)

    def _entries(self, handle: Handle) -> Iterator[Value]:
        """What a worker runs: its target, or the `run` method of its class."""
        targets = self._model.spawn(handle).values("target")
        yield from in_order(targets)
        for cls in self._classes_of(handle) if not targets else ():
            run = self._model.evaluator.find_method(cls, "run")
            if run is not None:
                yield FunctionReference(run)

    def _handles_sigterm(self, call: Event) -> bool:
        if call.call is None or not call.call.args:
            return True
        signals = self._model.evaluator.eval(call.call.args[0], call.function, call.step)
        return named_signal(signals) in (Signal.TERMINATE, Signal.UNKNOWN)

    def _is_in_sight(self, call: ast.Call, function: Function) -> bool:
        """Whether a call runs no code of a third party or plug-in, which might handle SIGTERM."""
        evaluator = self._model.evaluator
        steps = evaluator.locate(function, call)
        for callee in evaluator.eval(call.func, function, steps[0] if steps else None):
            match callee:
                case External(name):
                    if name in RUNS_FOREIGN_CODE or name.partition(".")[0] not in STANDARD_MODULES:
                        return False
                case FunctionReference() | ClassReference() | Method():
                    continue
                case _:
                    if not isinstance(call.func, ast.Attribute) or call.func.attr not in PLAIN_METHODS:
                        return False
        return True

    # -- paths -----------------------------------------------------------------------------------------------------

    def aftermath(self, event: Event, target: Predicate, barrier: Predicate, start: Node | None = None) -> Aftermath:
        """What some path meets after `event` (or from `start`), through `raise` statements and into the callers."""
        query = self._model.query(event.subject, target, barrier)
        query.raising = query.until_exit = True
        query.one_element = start is not None
        return self._aftermath(event, query, start)

    def _aftermath(self, event: Event, query: Query, start: Node | None = None) -> Aftermath:
        flow, found, anyhow = self._model.flow, Aftermath(), query.facts
        own = f"{event.function.receiver}."  # what other methods ask of the same object, not each local
        known = self._model.facts_at(event.site, event.function)
        query.facts = anyhow | {f for f in known if not isinstance(f, frozenset) and f[0].startswith(own)}
        first = flow.after(event, query) if start is None else flow.from_step(event.function, start, query)
        query.facts = anyhow
        work: list[tuple[Event, Outcome, bool]] = [(event, first, False)]
        seen: set[Event] = set()
        while work:
            at, outcome, works = work.pop()
            function = at.function
            found.hits.extend(h for h in outcome.hits if h not in found.hits)
            if not (outcome.completes or outcome.raises or outcome.stopped):
                found.ends.add(function)  # a loop that never ends: nothing comes after it
            if not (outcome.completes or outcome.raises):
                continue
            works = works or self._works_on(at)
            if function.is_module:
                if outcome.completes and works:
                    found.ends.add(function)
                continue
            calls = self._calls_with(function, query.subject)
            if not calls:
                found.ends.add(function)
            for call in calls:
                if call in seen:
                    continue
                seen.add(call)
                if outcome.completes:
                    work.append((call, flow.after(call, query), works))
                else:
                    work.extend((call, flow.from_step(call.function, n, query), works) for n in call.step.raises)
        return found

    def _works_on(self, event: Event) -> bool:
        """Whether the function of `event` goes on to do something that takes time before the process ends."""
        evaluator = self._model.evaluator
        seen, work = set(event.step.successors), list(event.step.successors)
        while work:
            node = work.pop()
            for part in node.parts:
                if not isinstance(part, ast.Call):
                    continue
                if not self._is_brief(evaluator.eval(part.func, event.function, node), part):
                    return True
            fresh = [n for n in node.successors if n not in seen]
            seen.update(fresh)
            work.extend(fresh)
        return False

    @staticmethod
    def _is_brief(callees: Values, call: ast.Call) -> bool:
        names = {c.name for c in callees if isinstance(c, External)}
        logs = isinstance(call.func, ast.Attribute) and call.func.attr in LOGGING_METHODS - {"sleep", "join"}
        return logs or (bool(names & (ENDS_PROCESS | INSPECTING)) and "time.sleep" not in names)

    def _calls_with(self, function: Function, subject: Value) -> list[Event]:
        """The calls of `function` in the module, those that pass `subject` or its pid if any does."""
        if function.is_generator:
            return []
        calls = [c for c in self._model.flow.callers.get(function, ()) if c.function is not function]
        return [c for c in calls if self._passes(c, function, subject)] or calls

    def _passes(self, call: Event, function: Function, subject: Value) -> bool:
        if call.call is None:
            return False
        evaluator = self._model.evaluator
        given = (a for group in evaluator.given(call.call, function).named.values() for a in group)
        return any(
            v == subject or (isinstance(v, Derived) and v.handle == subject)
            for a in given
            for v in evaluator.eval(a.value, a.function, call.step)
        )

    def _is_handed_on(self, function: Function) -> bool:
        """Whether a function runs at a time of its own: as a callback, a thread or an exit handler."""
        handed = self._model.flow.references.get(function, ())
        alone = any(e.concurrent or not function.is_context_manager for e in handed)
        return alone and not self._model.flow.callers.get(function)

    def _runs_beside(self, function: Function, handle: Handle) -> bool:
        """Whether a function runs at a time of its own and comes upon a child of `handle` that it has not made."""
        return self._is_handed_on(function) and not self._starting_afresh({function}, handle)

    def _starting_afresh(self, functions: set[Function], handle: Handle) -> set[Function]:
        """Those of `functions` in which nothing reaps a child of `handle` but one that they make before."""
        made_in = {e.function for e in self.happens_to(handle) if creates(e)}
        query = self._model.query(handle, reaps, creates, exceptions=True)
        return {
            f
            for f in functions
            if not made_in.isdisjoint(self._model.flow.called(f)) and not self._model.flow.from_entry(f, query).hits
        }

    # -- reaping ---------------------------------------------------------------------------------------------------

    def unreaped_signals(self, handle: Handle) -> Iterator[Event]:
        """The last signals after which nothing in sight reaps `handle`."""
        if not isinstance(handle.site, ast.Call):
            return  # a handle that is only promised, and `self` of a Popen, belong to somebody out of sight too
        signals = {e for e in self.signals(handle) if ends_child(e)}
        if not signals or self._reaped_by_any(handle):
            return
        spoken = {e.site for e in self.gentle_signals(handle)}
        query = self._model.query(handle, nothing, either(reaps, has_ended, escapes, ends_child))
        query.raising = query.until_exit = True
        query.settled = {}
        for event in sorted(self._held_until(handle, signals), key=place):
            after = self._aftermath(event, query)
            if not after.ends or event.site in spoken or self._reaped_elsewhere(event, after.ends):
                continue
            if not self._is_at_exit(event) and not all(map(self._runs_at_exit, in_source_order(after.ends))):
                yield event

    def _is_at_exit(self, event: Event) -> bool:
        """Whether an event is, or hands over, what `atexit` calls when the process ends."""
        if event.concurrent and isinstance(event.site, ast.Call):
            return External("atexit.register") in self._model.evaluator.eval(
                event.site.func, event.function, event.step
            )
        return self._runs_at_exit(event.function)

    def _runs_at_exit(self, function: Function, seen: frozenset[Function] = frozenset()) -> bool:
        """Whether nobody but `atexit` runs `function`, by itself or through other functions of the module."""
        flow = self._model.flow
        handed = flow.references.get(function, [])
        calls = [c for c in flow.callers.get(function, ()) if c.function not in seen]
        if function in seen or not (handed or calls):
            return False
        return all(e.concurrent and self._is_at_exit(e) for e in handed) and all(
            self._runs_at_exit(c.function, seen | {function}) for c in calls
        )

    def _reaped_elsewhere(self, signal: Event, ends: set[Function]) -> bool:
        """Whether another function reaps the child: one called later, or one that waits in another thread meanwhile."""
        model, handle = self._model, signal.subject
        assert isinstance(handle, Handle)
        at_any_time = signal.concurrent or any(self._runs_beside(f, handle) for f in ends)
        own = self._called_only_by(signal.function) | self._starting_afresh(ends, handle)
        for event in self.happens_to(handle):
            if not reaps(event):
                continue
            beside = event.concurrent or (event.function is not signal.function and self._is_handed_on(event.function))
            if event.function in own and not at_any_time and not beside:
                continue
            if event.kind is not EventKind.POLL or at_any_time or event.step.loops:
                return True
            query = model.query(event.subject, reaps, creates, exceptions=True)
            if model.flow.from_entry(event.function, query).hits:
                return True  # not just a look at whether it has started
        return False

    def _reaped_by_any(self, handle: Handle) -> bool:
        """Whether something reaps every child of the process: `os.wait()`, `active_children()`, an ignored SIGCHLD."""
        if handle.family is Family.MULTIPROCESSING and self._model.flow.named_calls(_ACTIVE_CHILDREN):
            return True
        return self._model.statuses.are_all_taken

    # -- timeouts --------------------------------------------------------------------------------------------------

    def abandoned(self, handle: Handle) -> Iterator[AbandonedChild]:
        """The handlers of a timeout of `handle` that neither end the child nor wait again, there or afterwards."""
        model = self._model
        timed = {
            event: clause
            for event in model.flow.events(handle, EventKind.WAIT, EventKind.COMMUNICATE)
            if event.timed and self.can_happen(event.step, event.function)
            if (clause := self.catcher(event, handle.family)) is not None
        }
        if not timed:
            return
        barrier = either(ends_child, escapes)
        query = model.query(handle, timed.__contains__, barrier, exceptions=True, beyond=True)
        exposed = {e.site for e in model.exposed(query)}
        for event, clause in timed.items():
            ended_elsewhere = any(
                (ends_child(e) or escalates(e)) and e.function not in self._called_only_by(event.function)
                for e in self.happens_to(handle)
            )
            ended_elsewhere = ended_elsewhere or self._signals_by_number(event.function)
            if event.site in exposed and not ended_elsewhere and not self._is_looked_after(event, clause):
                yield AbandonedChild(event, clause)

    def outlasts_block(self, abandoned: AbandonedChild) -> bool:
        """Whether the handler stands behind a `with` block of the child, which by then has waited for its end."""
        wait, handler = abandoned
        left = {e.step.item for e in self._model.flow.events(wait.subject, EventKind.LEAVE)}
        for block in ast.walk(wait.function.node):
            if isinstance(block, ast.With | ast.AsyncWith) and not left.isdisjoint(block.items):
                inside = set(ast.walk(block))
                if wait.site in inside and handler not in inside:
                    return True
        return False

    def catcher(self, event: Event, family: Family) -> ast.ExceptHandler | None:
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
        return any(self.aftermath(event, cares, creates, node).hits for node in handlers)

    # -- children nobody waits for -------------------------------------------------------------------------------------

    def is_forgotten(self, handle: Handle) -> bool:
        """Whether nothing in sight waits for, polls, signals or hands on `handle`, and it is no daemon."""
        model = self._model
        made = [e for e in model.flow.starts(handle) if self.can_happen(e.step, e.function)]
        if not made or model.spawn(handle).is_for_windows or self._is_daemon(handle) or self._reaped_by_any(handle):
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
        holdings, site = self._model.holdings, handle.site
        return handle in holdings.contained or (isinstance(site, ast.Call) and holdings.is_comprehended(site))

    def _is_daemon(self, handle: Handle) -> bool:
        spawn = self._model.spawn(handle)
        if handle.family is Family.MULTIPROCESSING:
            return spawn.flag("daemon") is not False or self._is_made_daemon(handle)
        states = {setting.state for name in STREAMS for setting in spawn.stream(name)}
        return StreamState.INHERITED not in states and spawn.own_group is not False

    def _is_made_daemon(self, handle: Handle) -> bool:
        """Whether `handle.daemon = …` is assigned anywhere."""
        return not self._made_daemons.isdisjoint(self.aliases(handle))

    @cached_property
    def _made_daemons(self) -> frozenset[Value]:
        evaluator, found = self._model.evaluator, set[Value]()
        for function in self._model.scopes.functions:
            for step in evaluator.graph(function).nodes:
                match step.item:
                    case ast.Assign(targets=[ast.Attribute(attr="daemon", value=base)]):
                        found |= evaluator.eval(base, function, step)
                    case _:
                        continue
        return frozenset(found)


def _tells(event: Event) -> bool:
    """Whether the child's pid is given to code out of sight."""
    return event.kind is EventKind.TELL


def _has_ended(event: Event) -> bool:
    """Whether the child has surely ended once `event` is over."""
    return not event.concurrent and (event.kind is EventKind.ENDED or waits_unbounded(event))


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


def _leading_to(steps: set[Node], nodes: list[Node], barred: set[Node]) -> set[Node]:
    """`steps`, and the graph nodes that lead to them with none of `barred` behind."""
    before: dict[Node, list[Node]] = {}
    for node in nodes:
        for onward in (*node.successors, *node.raises):
            before.setdefault(onward, []).append(node)
    found, work = set(steps), [step for step in steps if step not in barred]
    while work:
        for node in before.get(work.pop(), ()):
            if node not in found:
                found.add(node)
                if node not in barred:
                    work.append(node)
    return found
