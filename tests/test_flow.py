"""The events of a module and their order."""

from __future__ import annotations

import ast
import textwrap

import pytest

from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.liveness import live_functions
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import ScopeTable
from flake8_forksafe.settings import Settings

CODE = """
    def first(a):
        return second(a)

    def second(a):
        child = Popen(a)
        child.wait()

    def third(a):
        first(a)
        second(a)
    """


def model(*, narrow: bool) -> ModuleModel:
    """The model of `CODE`, with what has nothing to do with children left for later if it is `narrow`."""
    scopes = ScopeTable(ast.parse("from subprocess import Popen\n" + textwrap.dedent(CODE)))
    live = live_functions(scopes, {"Popen"}) if narrow else scopes.functions
    return ModuleModel(scopes, Settings((3, 11)), "module.py", shebang=False, live=live)


def lines(table: ModuleModel, kind: EventKind) -> list[int]:
    return [event.site.lineno for event in table.flow.of_kind(kind)]


@pytest.mark.parametrize("narrow", [True, False])
class TestFunctionsThatOnlyCallOthers:
    """They are read when they matter, and then nothing tells that they were not read at once."""

    def test_their_calls_are_known_to_who_asks_for_callers(self, *, narrow: bool) -> None:
        table = model(narrow=narrow)
        callers = {f.name: [e.function.name for e in calls] for f, calls in table.flow.callers.items()}
        assert callers == {"first": ["third"], "second": ["first", "third"]}

    def test_their_calls_are_known_to_who_asks_for_calls_in_source_order(self, *, narrow: bool) -> None:
        assert lines(model(narrow=narrow), EventKind.CALL) == [4, 11, 12]

    def test_what_happens_elsewhere_is_the_same_before_and_after(self, *, narrow: bool) -> None:
        table = model(narrow=narrow)
        before = lines(table, EventKind.WAIT)
        assert table.flow.references == {}
        assert before == lines(table, EventKind.WAIT) == [8]

    def test_they_are_what_reaches_others(self, *, narrow: bool) -> None:
        table = model(narrow=narrow)
        third = next(f for f in table.scopes.functions if f.name == "third")
        assert sorted(f.name for f in table.flow.reachable(third)) == ["first", "second", "third"]
        assert [e.kind for e in table.flow.within(third)] == [EventKind.CALL, EventKind.CALL]
