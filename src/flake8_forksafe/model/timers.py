"""Timers and threads by what they run: callbacks that arm themselves, cancels that are skipped, owners kept alive."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Span
from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.evaluate import Argument, Arguments
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.flow import Query, in_source_order
from flake8_forksafe.model.keepers import Keepers
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.stopping import Stopping
from flake8_forksafe.model.values import (
    Constant,
    FunctionReference,
    Instance,
    Parameter,
    Partial,
    Resource,
    ResourceKind,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import NEVER_RAISING
from flake8_forksafe.stdlib.threading import THREAD_POSITIONS, TIMER_POSITIONS

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel
    from flake8_forksafe.model.scopes import Class

_KINDS = (ResourceKind.TIMER, ResourceKind.THREAD)
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Callback:
    """A function that a timer or thread runs.

    `via` are the calls of module functions that pass it on to the constructor, the one next to the constructor first.
    """

    function: Function
    via: tuple[tuple[Function, ast.Call], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Alarm:
    """A timer, or a thread, by the call that makes it.

    Attributes:
        resource: what the call makes.
        call: the constructor's call; `home` is the function in which it stands.
        arguments: the constructor's arguments by name, those of a subclass as it passes them on.
        callbacks: the functions of the module that it runs.
    """

    resource: Resource
    call: ast.Call
    home: Function
    arguments: Arguments
    callbacks: tuple[Callback, ...]

    @property
    def noun(self) -> str:
        """What it is, for a message."""
        return "Timer" if self.resource.kind is ResourceKind.TIMER else "Thread"


@dataclass(frozen=True, slots=True)
class Rearming:
    """A timer whose callback leads back to the making of it."""

    alarm: Alarm
    callback: Function

    @property
    def span(self) -> Span:
        """The head of the callback."""
        return _head(self.callback)


@dataclass(frozen=True, slots=True)
class SkippedCancel:
    """A cancel that an exception after the start can skip; `raiser` is the first step that may raise it."""

    start: Event
    cancel: Event
    raiser: Span


@dataclass(frozen=True, slots=True)
class Undying:
    """A class whose `__del__` is to stop a timer or thread that keeps the object alive."""

    method: Function
    alarm: Alarm

    @property
    def span(self) -> Span:
        """The head of the `__del__`."""
        return _head(self.method)


class Timers:
    """The timers and threads of one module, each with what it runs."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._evaluator = model.evaluator
        self._reached: dict[Function, frozenset[Function]] = {}
        self._daemonic: dict[Function, bool] = {}

    # -- what there is ---------------------------------------------------------------------------------------------

    @cached_property
    def alarms(self) -> list[Alarm]:
        """Every timer and thread that the module makes, in source order."""
        found: dict[Resource, Alarm] = {}
        for event in self._model.flow.of_kind(EventKind.CREATE):
            resource = event.subject
            if not isinstance(resource, Resource) or resource.kind not in _KINDS or resource in found:
                continue
            if isinstance(resource.site, ast.Call):
                found[resource] = self._describe(resource, resource.site, event.function)
        return sorted(found.values(), key=lambda a: (a.call.lineno, a.call.col_offset))

    def _describe(self, resource: Resource, call: ast.Call, home: Function) -> Alarm:
        ways = self._constructor_arguments(resource, call, home)
        arguments = Arguments()
        for _, given in ways:
            arguments.merge(given)
        run = self._evaluator.find_method(resource.cls, "run") if resource.cls is not None else None
        if run is not None:
            return Alarm(resource, call, home, arguments, (Callback(run),))
        name = "function" if resource.kind is ResourceKind.TIMER else "target"
        callbacks: list[Callback] = []
        for context, given in ways:
            via = tuple((self._model.scopes.home[outer], outer) for outer in context)
            found = (c for argument in given.get(name) for c in self._callbacks(argument, _DEPTH))
            callbacks.extend(Callback(c.function, (*c.via, *via)) for c in found)
        return Alarm(resource, call, home, arguments, tuple(dict.fromkeys(callbacks)))

    def _constructor_arguments(
        self, resource: Resource, call: ast.Call, home: Function
    ) -> list[tuple[tuple[ast.Call, ...], Arguments]]:
        """The arguments that reach the library's constructor, through the `__init__` of a subclass if it has one.

        Where a function of the module passes on what it is given, they come with the call that gives them.
        """
        positions = TIMER_POSITIONS if resource.kind is ResourceKind.TIMER else THREAD_POSITIONS
        init = self._evaluator.find_method(resource.cls, "__init__") if resource.cls is not None else None
        if init is None:
            return self._evaluator.ways(call, positions, home)
        for inner in init.calls:
            match inner.func:
                case ast.Attribute(attr="__init__", value=base):
                    skip = 0 if isinstance(base, ast.Call) else 1
                    return [((), self._evaluator.arguments(inner, positions, init, (call,), skip))]
                case _:
                    continue
        return [((), Arguments(open=True))]

    def _callbacks(self, argument: Argument, depth: int) -> Iterator[Callback]:
        """The functions of the module that an argument stands for.

        What comes in by a parameter is followed to each call that gives it, because only that call arms it.
        """
        values = self._evaluator.eval_argument(argument)
        passed: set[Function] = set()
        for parameter in (v for v in in_order(values) if isinstance(v, Parameter)):
            if depth == 0:
                return
            for invocation in self._evaluator.invocations(parameter.function):
                given = self._evaluator.given(invocation.call, parameter.function).get(parameter.name)
                for callback in (c for g in given for c in self._callbacks(g, depth - 1)):
                    passed.add(callback.function)
                    yield Callback(callback.function, (*callback.via, (invocation.function, invocation.call)))
        for function in in_source_order(self._functions(values)):
            if function not in passed:
                yield Callback(function)

    def _functions(self, values: Values) -> Iterator[Function]:
        """The functions of the module among `values`, also those inside partials."""
        for value in values:
            inner = value
            while isinstance(inner, Partial):
                inner = inner.function
            if isinstance(inner, FunctionReference):
                yield from self._bodies(inner)

    def _bodies(self, reference: FunctionReference) -> Iterator[Function]:
        """The function itself, and for a method of `self` also what subclasses in the module put in its place."""
        function = reference.function
        yield function
        if function.owner is not None and isinstance(reference.receiver, Instance):
            for cls in self._evaluator.family(function.owner):
                override = cls.methods.get(function.name)
                if override is not None and function.owner in self._evaluator.bases(cls):
                    yield override

    # -- the daemon flag -------------------------------------------------------------------------------------------

    def is_daemon(self, alarm: Alarm) -> bool:
        """Whether a timer or thread is, or may be, a daemon: by its own flag, or that of the thread it is made in."""
        flag = self.own_flag(alarm)
        return self.runs_as_daemon(alarm.home) if flag is None else flag

    def own_flag(self, alarm: Alarm) -> bool | None:
        """The daemon flag as the module sets it (True where it may be); None where it is inherited."""
        resource = alarm.resource
        found = [self._truth(self._evaluator.eval_argument(a)) for a in alarm.arguments.get("daemon")]
        found.extend(self._flag_set_by(e, ()) for e in self._model.flow.events(resource, EventKind.DAEMON))
        if resource.cls is not None:
            found.extend(
                self._flag_set_by(e, (alarm.call,) if e.function.name == "__init__" else ())
                for e in self._events_of_self(resource.cls, EventKind.DAEMON)
            )
            if any("daemon" in cls.names for cls in self._evaluator.family(resource.cls)):
                return True
        flags = [f for f in found if f is not None]
        return any(flags) if flags else None

    def _flag_set_by(self, event: Event, context: tuple[ast.Call, ...]) -> bool:
        match event.site:
            case ast.Assign(value=value) | ast.Call(args=[value, *_]):
                return self._truth(self._evaluator.eval(value, event.function, event.step, context)) is not False
            case _:
                return True

    @staticmethod
    def _truth(values: Values) -> bool | None:
        """False or None if that is all a value can be, True if it may be anything else."""
        if values and all(isinstance(v, Constant) and v.value is None for v in values):
            return None
        return not (values and all(isinstance(v, Constant) and not v.value for v in values))

    def runs_as_daemon(self, function: Function) -> bool:
        """Whether `function` runs in daemon threads only, as far as the module shows who runs it."""
        known = self._daemonic.get(function)
        if known is not None:
            return known
        seen, work, roots = {function}, [function], []
        while work:
            current = work.pop()
            ways = [e.function for e in self._model.flow.callers.get(current, ())]
            reached = bool(ways)
            for alarm in self._run_by.get(current, ()):
                reached = True
                flag = self.own_flag(alarm)
                if flag is None:
                    ways.append(alarm.home)
                else:
                    roots.append(flag)
            if not reached:
                roots.append(False)
            for way in ways:
                if way not in seen:
                    seen.add(way)
                    work.append(way)
        self._daemonic[function] = bool(roots) and all(roots)
        return self._daemonic[function]

    @cached_property
    def _run_by(self) -> dict[Function, list[Alarm]]:
        """The timers and threads that run a function."""
        table: dict[Function, list[Alarm]] = {}
        for alarm in self.alarms:
            for callback in alarm.callbacks:
                table.setdefault(callback.function, []).append(alarm)
        return table

    # -- timers that arm themselves again --------------------------------------------------------------------------

    @cached_property
    def rearming(self) -> list[Rearming]:
        """The non-daemon timers whose callback arms them, or a timer that leads to them, anew every time it runs."""
        timers = [a for a in self.alarms if a.resource.kind is ResourceKind.TIMER and a.callbacks]
        onward: dict[Function, set[Function]] = {}
        armed: list[tuple[Function, Function, Alarm]] = []
        made_in: dict[Function, list[tuple[int, Alarm]]] = {}
        for number, alarm in enumerate(timers):
            made_in.setdefault(alarm.home, []).append((number, alarm))
        for callback in dict.fromkeys(c.function for a in timers for c in a.callbacks):
            near = [pair for function in self.called_from(callback) for pair in made_in.get(function, ())]
            for _, alarm in sorted(near, key=itemgetter(0)):
                for started in self._armed_by(callback, alarm):
                    onward.setdefault(callback, set()).add(started)
                    armed.append((callback, started, alarm))
        found: dict[Alarm, Rearming] = {}
        for callback, started, alarm in armed:
            if callback in _closure(started, onward):
                found.setdefault(alarm, Rearming(alarm, started))
        return sorted(found.values(), key=lambda r: (r.alarm.call.lineno, r.alarm.call.col_offset))

    def _armed_by(self, callback: Function, alarm: Alarm) -> Iterator[Function]:
        """The functions that a run of `callback` is sure to arm again by `alarm`, which is no daemon."""
        stopping = Stopping(self._model, self.called_from(callback), callback, alarm.arguments)
        certain = self._sure_calls(callback, stopping)
        if alarm.home not in certain or not self._is_started(alarm, certain, stopping):
            return
        if self.is_daemon(alarm) or self._is_taken_back(alarm, certain):
            return
        for started in alarm.callbacks:
            if all(f in certain and self._is_sure(f, call, stopping) for f, call in started.via):
                yield started.function

    def _is_taken_back(self, alarm: Alarm, certain: set[Function]) -> bool:
        """Whether a run of the callback may cancel the timer that it has just started."""
        flow, resource = self._model.flow, alarm.resource
        query = Query(resource, lambda e: e.kind is EventKind.CANCEL, lambda e: e.kind is EventKind.CREATE)
        starts = (e for e in flow.events(resource, EventKind.START) if e.function in certain)
        return any(flow.after(start, query).hits for start in starts)

    def called_from(self, function: Function) -> frozenset[Function]:
        """`function` and all that it calls itself, in the same thread."""
        known = self._reached.get(function)
        if known is None:
            known = self._reached[function] = frozenset(_closure(function, self._callees) | {function})
        return known

    @cached_property
    def _callees(self) -> dict[Function, set[Function]]:
        table: dict[Function, set[Function]] = {}
        for event in self._model.flow.of_kind(EventKind.CALL):
            if isinstance(event.subject, FunctionReference):
                table.setdefault(event.function, set()).update(self._bodies(event.subject))
        return table

    @cached_property
    def _calls(self) -> dict[Function, list[Event]]:
        table: dict[Function, list[Event]] = {}
        for event in self._model.flow.of_kind(EventKind.CALL):
            table.setdefault(event.function, []).append(event)
        return table

    def _sure_calls(self, callback: Function, stopping: Stopping) -> set[Function]:
        """What a run of `callback` calls with nothing that can stop it on the way."""
        found, work = {callback}, [callback]
        while work:
            for event in self._calls.get(work.pop(), ()):
                assert isinstance(event.subject, FunctionReference)
                callees = [f for f in self._bodies(event.subject) if f not in found and not f.is_generator]
                if callees and not stopping.can_stop(event):
                    found.update(callees)
                    work.extend(callees)
        return found

    def _is_sure(self, function: Function, call: ast.Call, stopping: Stopping) -> bool:
        return any(e.call is call and not stopping.can_stop(e) for e in self._calls.get(function, ()))

    def _is_started(self, alarm: Alarm, certain: set[Function], stopping: Stopping) -> bool:
        """Whether a run of the callback is sure to make and to start the timer."""
        flow, resource = self._model.flow, alarm.resource
        starts = flow.events(resource, EventKind.START)
        if resource.cls is not None:
            starts = [*starts, *self._events_of_self(resource.cls, EventKind.START)]
        return all(
            any(e.function in certain and not stopping.can_stop(e) for e in events)
            for events in (flow.events(resource, EventKind.CREATE), starts)
        )

    def _events_of_self(self, cls: Class, kind: EventKind) -> list[Event]:
        """What the methods of a Timer or Thread subclass do to the object itself."""
        found: list[Event] = []
        for relative in self._evaluator.family(cls):
            made = self._evaluator.instantiate(relative, relative.node, ())
            if isinstance(made, Resource):
                found.extend(self._model.flow.events(made, kind))
        return found

    @staticmethod
    def text_of(event: Event) -> str:
        """How the program calls the timer that an event of a method call happens to."""
        return " ".join(_receiver(event.site).split()) or "the timer"

    # -- cancels that an exception skips ---------------------------------------------------------------------------

    @cached_property
    def skipped_cancels(self) -> list[SkippedCancel]:
        """For each non-daemon timer, the cancels after its start that an exception between the two can skip."""
        found: dict[ast.AST, SkippedCancel] = {}
        for alarm in self.alarms:
            cancels = self._model.flow.events(alarm.resource, EventKind.CANCEL)
            if alarm.resource.kind is not ResourceKind.TIMER or not cancels or any(c.concurrent for c in cancels):
                continue
            for start in self._model.flow.events(alarm.resource, EventKind.START):
                if start.concurrent or self._cancelled_elsewhere(start, cancels) or self.is_daemon(alarm):
                    continue
                for skipped in self._skipped(start, [c for c in cancels if c.function is start.function]):
                    found.setdefault(skipped.cancel.site, skipped)
        return sorted(found.values(), key=lambda s: (s.cancel.site.lineno, s.cancel.site.col_offset))

    def _cancelled_elsewhere(self, start: Event, cancels: list[Event]) -> bool:
        """Whether another function may cancel the timer after the exception: a caller that it reaches, or a method."""
        inside = self.called_from(start.function)
        for function in {c.function: None for c in cancels if c.function not in inside}:
            calls = [e for e in self._calls.get(function, ()) if self._leads_to(e, start.function)]
            if not calls or not any(self._raising_skips(e.step, function, start) for e in calls):
                return True
        return False

    def _leads_to(self, call: Event, function: Function) -> bool:
        assert isinstance(call.subject, FunctionReference)
        return any(function in self.called_from(body) for body in self._bodies(call.subject))

    def _skipped(self, start: Event, cancels: list[Event]) -> Iterator[SkippedCancel]:
        for cancel in cancels:
            if self._is_replaced(cancel):
                continue
            between = _between(start.step, cancel.step, {c.step for c in cancels})
            cleaning_up = _in_finally_with(cancel.site, start.function)
            for node in (n for n in between if n is not start.step and self._may_raise(n, start)):
                raiser = next(node.expressions())
                if raiser not in cleaning_up and self._raising_skips(node, start.function, start):
                    yield SkippedCancel(start, cancel, Span.of(raiser))
                    break

    def _is_replaced(self, cancel: Event) -> bool:
        """Whether the cancel only makes room for a timer that is started in its place."""
        steps = _onward(cancel.step, frozenset(), cancel.step.loops)
        place = _receiver(cancel.site)
        return any(
            event.kind is EventKind.START and (event.subject == cancel.subject or _receiver(event.site) == place)
            for step in steps
            if step is not cancel.step
            for event in self._model.flow.by_step.get(step, ())
        )

    def _raising_skips(self, node: Node, function: Function, start: Event) -> bool:
        """Whether an exception at `node` leads out of `function` with the timer still armed."""
        facts = self._model.flow.facts_under(self._model.scopes.conditions.get(start.site), start.function)
        query = Query(start.subject, lambda _e: False, lambda e: e.kind is EventKind.CANCEL, facts=facts)
        for target in node.raises:
            outcome = self._model.flow.from_step(function, target, query)
            if outcome.raises or outcome.completes:
                return True
        return False

    def _may_raise(self, node: Node, start: Event) -> bool:
        """Whether a step does more than look after the timer, look at the clock or log."""
        if not node.raises:
            return False
        harmless = {e.site for e in self._model.flow.by_step.get(node, ()) if e.subject == start.subject}
        harmless |= {
            e.call
            for e in self._model.flow.by_step.get(node, ())
            if e.kind is EventKind.EXTERNAL and e.call is not None and getattr(e.subject, "name", "") in NEVER_RAISING
        }
        return any(
            isinstance(part, ast.Await | ast.Yield | ast.YieldFrom)
            or (isinstance(part, ast.Call) and part not in harmless and not self._asks_timer(part, node, start))
            for part in node.parts
        )

    def _asks_timer(self, call: ast.Call, node: Node, start: Event) -> bool:
        """Whether a call is a method of a timer, thread or Event, or makes one."""
        asked = self._evaluator.eval(call, start.function, node)
        if isinstance(call.func, ast.Attribute):
            asked |= self._evaluator.eval(call.func.value, start.function, node)
        return any(isinstance(v, Resource) and v.kind in (*_KINDS, ResourceKind.EVENT) for v in asked)

    # -- objects kept alive by what their __del__ should stop ------------------------------------------------------

    @cached_property
    def undying(self) -> list[Undying]:
        """The classes whose `__del__` stops a timer or thread that holds a strong reference to the object."""
        found: list[Undying] = []
        for cls in self._model.scopes.classes:
            method = cls.methods.get("__del__")
            if method is not None and (undying := self._undying(cls, method)) is not None:
                found.append(undying)
        return found

    def _undying(self, cls: Class, method: Function) -> Undying | None:
        keepers = Keepers(self._model, cls)
        for alarm in self._stopped_in(self.called_from(method)):
            if self._starts(alarm) and keepers.hold(alarm.arguments, alarm.call, alarm.resource.cls):
                return Undying(method, alarm)
        return None

    def _stopped_in(self, inside: frozenset[Function]) -> list[Alarm]:
        """The alarms that `inside` ends, or tells to stop: by an Event or a flag that their code goes by."""
        ended = {number for function in inside for number in self._ended_in.get(function, ())}
        found = {number for number in ended if self._is_ended(self.alarms[number], inside)}
        for function in inside:
            for event in self._model.flow.within(function):
                if event.kind is EventKind.SET:
                    found.update(self._going_by.get(event.subject, ()))
                elif event.kind is EventKind.CLEAR:
                    found.update(self._going_while.get(event.subject, ()))
            for flag in self._flags_set.get(function, ()):
                found.update(self._going_by.get(flag, ()))
        return [self.alarms[number] for number in sorted(found)]

    @cached_property
    def _ended_in(self) -> dict[Function, list[int]]:
        """The numbers of the alarms that a function cancels or joins."""
        table: dict[Function, list[int]] = {}
        for number, alarm in enumerate(self.alarms):
            for event in self._model.flow.events(alarm.resource, EventKind.CANCEL, EventKind.WAIT):
                table.setdefault(event.function, []).append(number)
        return table

    @cached_property
    def _flags_set(self) -> dict[Function, set[str]]:
        """The attributes that a function sets to True or False."""
        table: dict[Function, set[str]] = {}
        for cls in self._model.scopes.classes:
            for attr, bindings in cls.attributes.items():
                for binding in bindings:
                    if _is_flag(binding.value):
                        table.setdefault(binding.function, set()).add(attr)
        return table

    @cached_property
    def _going_by(self) -> dict[Value | str, list[int]]:
        """The numbers of the alarms by the flags, and by what is asked, in the tests of the code that they run.

        Of a thread only the tests inside loops count.
        """
        table: dict[Value | str, list[int]] = {}
        for number, alarm in enumerate(self.alarms):
            timer = alarm.resource.kind is ResourceKind.TIMER
            for function in in_source_order({f for c in alarm.callbacks for f in self.called_from(c.function)}):
                for node in self._evaluator.graph(function).nodes:
                    if node.kind is NodeKind.ASSUME and (node.loops or timer):
                        for known in self._goes_by(node, function):
                            table.setdefault(known, []).append(number)
        return table

    @cached_property
    def _going_while(self) -> dict[Value, list[int]]:
        """The numbers of the alarms by the Events that a loop of their code goes on with: `while running.is_set():`."""
        table: dict[Value, list[int]] = {}
        for number, alarm in enumerate(self.alarms):
            for function in in_source_order({f for c in alarm.callbacks for f in self.called_from(c.function)}):
                for node in self._evaluator.graph(function).nodes:
                    match node.item:
                        case ast.Call(func=ast.Attribute(value=base, attr="is_set" | "isSet")) if (
                            node.kind is NodeKind.ASSUME
                            and any(isinstance(w, ast.While) and w.test is node.item for w in node.loops)
                        ):
                            for known in self._evaluator.eval(base, function, node):
                                table.setdefault(known, []).append(number)
                        case _:
                            continue
        return table

    def _starts(self, alarm: Alarm) -> bool:
        return alarm.resource.cls is not None or bool(self._model.flow.events(alarm.resource, EventKind.START))

    def _is_ended(self, alarm: Alarm, inside: frozenset[Function]) -> bool:
        """Whether something in `inside`, other than what starts it, cancels or joins the timer or thread."""
        events = self._model.flow.events(alarm.resource, EventKind.CANCEL, EventKind.WAIT)
        started = {e.function for e in self._model.flow.events(alarm.resource, EventKind.START)}
        return any(e.function in inside and started != {e.function} for e in events)

    def _goes_by(self, node: Node, function: Function) -> Iterable[Value | str]:
        """The attribute of `self`, or what the object asked may be, that a test goes by."""
        match node.item:
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                return [attr] if name == function.receiver else []
            case ast.Call(func=ast.Attribute(value=base)):
                return self._evaluator.eval(base, function, node)
            case _:
                return []


def _closure(start: Function, table: dict[Function, set[Function]]) -> set[Function]:
    """All that `table` leads to from `start`; `start` itself only if it leads back."""
    found: set[Function] = set()
    work = [start]
    while work:
        for onward in table.get(work.pop(), ()):
            if onward not in found:
                found.add(onward)
                work.append(onward)
    return found


def _onward(start: Node, stop: frozenset[Node], loops: tuple[ast.AST, ...]) -> list[Node]:
    """The steps that follow `start`, up to those in `stop`, within the same round of `loops`."""
    found, work = {start: None}, [start]
    while work:
        node = work.pop()
        if node in stop and node is not start:
            continue
        for onward in node.successors:
            again = onward.kind is NodeKind.NEXT and onward.item in loops
            if onward not in found and not again and onward.loops[: len(loops)] == loops:
                found[onward] = None
                work.append(onward)
    return list(found)


def _between(start: Node, end: Node, stop: set[Node]) -> list[Node]:
    """The steps on the ways from `start` to `end` that meet no step of `stop` before, in the order of the graph."""
    common = tuple(a for a, b in zip(start.loops, end.loops, strict=False) if a is b)
    forward = _onward(start, frozenset(stop), common)
    if end not in forward:
        return []
    before: dict[Node, list[Node]] = {}
    for node in forward:
        if node not in stop or node is start:
            for onward in node.successors:
                before.setdefault(onward, []).append(node)
    allowed, found, work = set(forward), {end}, [end]
    while work:
        for node in before.get(work.pop(), ()):
            if node not in found and node in allowed:
                found.add(node)
                work.append(node)
    return sorted(found - {end}, key=lambda n: n.index)


def _is_flag(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, bool)


def _head(function: Function) -> Span:
    """The place of a function's `def name`, or of a lambda."""
    node = function.node
    assert not isinstance(node, ast.Module)
    if isinstance(node, ast.Lambda):
        return Span.of(node)
    keyword = "async def " if function.is_async else "def "
    return Span(node.lineno, node.col_offset, node.lineno, node.col_offset + len(keyword + node.name))


def _in_finally_with(site: ast.AST, function: Function) -> frozenset[ast.AST]:
    """All that stands in a `finally` together with `site`; nothing where that stands in none."""
    found: frozenset[ast.AST] = frozenset()
    for part in ast.walk(function.node):
        if isinstance(part, ast.Try) and part.finalbody:
            inside = frozenset(node for statement in part.finalbody for node in ast.walk(statement))
            found |= inside if site in inside else frozenset()
    return found


def _receiver(site: ast.AST) -> str:
    match site:
        case ast.Call(func=ast.Attribute(value=base)):
            return ast.unparse(base)
        case _:
            return ""
