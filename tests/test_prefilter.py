"""The prefilter loses nothing."""

from __future__ import annotations

import pytest
from fixture_cases import Case, all_cases

from benchmarks.speed import prefilter
from flake8_forksafe import gate, registry
from flake8_forksafe.gate import last_names
from flake8_forksafe.prefilter import WordSearch

HITS = [case for case in all_cases() if case.expected and case.code in registry.rules()]


@pytest.mark.parametrize("code", registry.rules())
def test_without_any_net_the_same_is_found(code: str) -> None:
    modules = [module for module in prefilter.fixture_modules() if module.name.startswith(code)]
    verdicts = [prefilter.judge(module) for module in modules]
    assert [line for verdict in verdicts for line in verdict.lost] == []
    assert {verdict.column for verdict in verdicts} == {"same"}
    assert sum(verdict.findings for verdict in verdicts) > 0


@pytest.mark.parametrize("case", HITS, ids=lambda case: case.name)
def test_every_hit_passes_the_gate(case: Case) -> None:
    assert gate.admits(case.source.encode())


@pytest.mark.parametrize("code", registry.rules())
def test_every_file_that_passes_a_rules_triggers_passes_the_gate(code: str) -> None:
    triggers = registry.rules()[code].triggers
    covered = [group for group in triggers if all(any(word in trigger for word in gate.WORDS) for trigger in group)]
    assert covered, f"give {code} a group of triggers that all contain a word of gate.WORDS, or extend it"


def test_each_group_needs_a_word() -> None:
    search = WordSearch(b"import subprocess; subprocess.Popen([]).wait()")
    assert search.passes((("Popen", "run"), ("wait", "poll")))
    assert not search.passes((("Popen",), ("poll",)))
    assert search.passes(())


def test_a_callable_of_the_user_stands_for_any_word() -> None:
    names = last_names(["jobs.pool.spawn"])
    assert WordSearch(b"spawn()", names).passes((("Popen",), ("PIPE",)))
    assert not WordSearch(b"print()", names).passes((("Popen",), ("PIPE",)))
