"""Questions about shells, sessions and process groups: whom a signal misses, and whom it hits by mistake."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.model.care import reads_to_end
from flake8_forksafe.model.children import Spawn
from flake8_forksafe.model.ending import place
from flake8_forksafe.model.events import Event, EventKind, Signal
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import Constant, Derived, External, Handle, HandlePart
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_ASKS_GROUP = (External("os.getpgrp"), External("os.getpgid"))


class WrongGroup(NamedTuple):
    """A `killpg` for a child without a group of its own; `is_ours` when it hits the group of the parent."""

    signal: Event
    is_ours: bool


class Sessions:
    """The shells and process groups of one module's children."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model

    # -- shells ----------------------------------------------------------------------------------------------------

    def uses_shell(self, spawn: Spawn) -> bool:
        """Whether the command goes, or by a default goes, through a shell that does not become the command."""
        given = (v.value for v in spawn.values("shell") if isinstance(v, Constant))
        return bool(spawn.shell or any(given)) and not spawn.command_begins_with_exec

    def shell_signals(self, handle: Handle) -> Iterator[Event]:
        """The signals, sent through the handle itself, that reach its shell and not what the shell runs."""
        if handle.family is Family.MULTIPROCESSING or not self.uses_shell(self._model.spawn(handle)):
            return
        if not self._reaches_group(handle):
            for event in self._model.ending.signals(handle):
                if event.call is None and event.signal is not Signal.PROBE:
                    yield event

    def _reaches_group(self, handle: Handle) -> bool:
        """Whether anything in sight signals the group of `handle`, or walks its descendants."""
        return any(e.kind is EventKind.SIGNAL and e.group for e in self._model.ending.happens_to(handle))

    def collected_after_shell_signal(self, handle: Handle) -> list[Event]:
        """The unbounded `communicate()`s and reads to the end of `handle` after only its shell was signalled."""
        if not any(True for _ in self._model.spawn(handle).output_pipes()):
            return []
        found: dict[ast.AST, Event] = {}
        for signal in self.shell_signals(handle):
            if signal.signal in (Signal.TERMINATE, Signal.KILL):
                for hit in self._model.ending.aftermath(signal, _collects_unbounded, _gives_up_pipe).hits:
                    found.setdefault(hit.site, hit)
        return sorted(found.values(), key=place)

    def orphaning_calls(self) -> Iterator[Spawn]:
        """The `run`-like calls that at their timeout kill a shell and nothing else."""
        for spawn in self._model.spawns:
            if spawn.handle is None and spawn.call is not None and self._can_happen(spawn.call):
                yield from self._model.as_called(spawn, self._orphans)

    def _orphans(self, spawn: Spawn) -> bool:
        """Whether a call has a shell and a time limit, and can happen where it is made from."""
        asked = any(isinstance(v, Constant) and v.value for v in spawn.values("shell")) and not spawn.is_for_windows
        limited = asked and self.uses_shell(spawn) and spawn.values("timeout") - {Constant(None)}
        return bool(limited) and (spawn.through is None or self._can_happen(spawn.through))

    def _can_happen(self, call: ast.Call) -> bool:
        function = self._model.scopes.home[call]
        steps = self._model.evaluator.locate(function, call)
        return any(self._model.ending.can_happen(step, function) for step in steps)

    # -- groups ----------------------------------------------------------------------------------------------------

    def wrong_groups(self, handle: Handle) -> Iterator[WrongGroup]:
        """The `killpg` calls for a handle that has no session or group of its own."""
        model, spawn = self._model, self._model.spawn(handle)
        if spawn.own_group is not False or any(e.kind is EventKind.GROUP for e in model.ending.happens_to(handle)):
            return
        if handle.family is Family.MULTIPROCESSING and not spawn.values("target"):
            return  # `run()` of a subclass may do it
        if not all(self._can_happen(c) for c in (handle.site, *handle.context) if isinstance(c, ast.Call)):
            return  # it is made where there are no process groups
        for event in model.ending.signals(handle):
            if event.group and event.call is not None and event.call.args and not self._compares(event.function):
                values = model.evaluator.eval(event.call.args[0], event.function, event.step)
                is_group = any(isinstance(v, Derived) and v.part is HandlePart.GROUP for v in values)
                yield WrongGroup(event, is_group)

    def _compares(self, function: Function) -> bool:
        """Whether a function asks for the group of this very process, to compare with."""
        for event in self._model.flow.within(function):
            if event.kind is not EventKind.EXTERNAL or event.call is None or event.subject not in _ASKS_GROUP:
                continue
            if event.subject == External("os.getpgrp") or self._means_self(event.call.args, event):
                return True
        return False

    def _means_self(self, arguments: list[ast.expr], event: Event) -> bool:
        match arguments:
            case [ast.Constant(value=0)]:
                return True
            case [ast.Call(func=func)]:
                return External("os.getpid") in self._model.evaluator.eval(func, event.function, event.step)
            case _:
                return False


def _collects_unbounded(event: Event) -> bool:
    communicates = event.kind is EventKind.COMMUNICATE and not event.concurrent
    return (communicates or reads_to_end(event)) and not event.timed


def _gives_up_pipe(event: Event) -> bool:
    bounded = event.kind is EventKind.COMMUNICATE and (event.timed or event.concurrent)
    return bounded or event.kind in (EventKind.CLOSE, EventKind.ESCAPE, EventKind.CREATE)
