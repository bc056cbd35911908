"""What follows in its callers when a function has made a subject that they see as well, as an attribute or a global."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace

from flake8_forksafe.model.evaluate import Context
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.flow import NO_FACTS, Fact, Facts, Flow, Outcome, Query
from flake8_forksafe.model.scopes import Function

#: How many calls up the callers are looked at.
_LEVELS = 3


def behind_calls(flow: Flow, made: Event, query: Query, still_so: Callable[[Context], bool]) -> Iterator[Outcome]:
    """Search behind each call of the function in which `made` happens, then behind the calls of its callers.

    Arguments:
        flow: the events of the module.
        made: the making of the subject, from which some path reaches the end of its function.
        query: the question, with the facts that hold where the subject is made.
        still_so: whether what the question rests on is true of a making through the given calls, outermost first.
    """
    aims = {e.function for e in flow.events(query.subject) if query.target(e)}
    helpers = {e.function for e in flow.events(query.subject) if query.barrier(e) and _has_time_of_its_own(e)}
    work: list[tuple[Function, Facts, Context]] = [(made.function, query.facts, ())] if aims - {made.function} else []
    seen: set[Event] = set()
    while work:
        function, facts, context = work.pop()
        for call in flow.callers.get(function, ()):
            if call in seen or call.call is None or call.function is made.function or call.call in context:
                continue
            seen.add(call)
            if not flow.reachable(call.function).issuperset(helpers):
                continue  # another function has a reader for it, by which way is not seen
            through = (call.call, *context)
            outside = _facts_outside(flow, call, function, facts)
            if outside is None or not still_so(through):
                continue
            outcome = flow.after(call, replace(query, facts=outside))
            yield outcome
            if outcome.completes and len(through) < _LEVELS:
                work.append((call.function, outside, through))


def _has_time_of_its_own(event: Event) -> bool:
    """Whether an event gives the subject to somebody who goes on while its maker does something else."""
    return event.concurrent or event.kind in {EventKind.HAND_OVER, EventKind.ESCAPE}


def _facts_outside(flow: Flow, call: Event, callee: Function, facts: Facts) -> Facts | None:
    """What `facts` of a called function mean to its caller; None where the call contradicts them or nothing tells."""
    found: set[Fact | frozenset[Fact]] = set()
    for fact in facts:
        if isinstance(fact, frozenset):
            return None
        outside = _fact_outside(flow, call, callee, fact)
        if outside is None:
            return None
        found |= outside
    return frozenset(found)


def _fact_outside(flow: Flow, call: Event, callee: Function, fact: Fact) -> Facts | None:
    text, truth = fact
    name, _, compared = text.partition(" = ")
    first = name.partition(".")[0]
    if first == callee.receiver:
        return frozenset({fact}) if call.function.receiver == first else None
    if first not in callee.names:
        return frozenset({fact}) if first not in call.function.names else NO_FACTS
    given = flow.evaluator.given(call.call, callee).get(name) if call.call is not None else []
    value = given[0].value if len(given) == 1 else None if given else callee.defaults().get(name)
    match value:
        case ast.Constant(value=constant) if compared in {"", "None"}:
            holds = constant is None if compared else bool(constant)
            return NO_FACTS if holds is truth else None
        case ast.Name() | ast.Attribute() if given and (key := flow.key(value)) is not None:
            return frozenset({(f"{key[0]} = {compared}" if compared else key[0], truth)})
        case _:
            return None
