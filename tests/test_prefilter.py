"""The prefilter loses nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fixture_cases import Case, all_cases, rules_for

from flake8_forksafe import analysis, registry
from flake8_forksafe.prefilter import GATE, WordSearch, last_names

HITS = [case for case in all_cases() if case.expected and case.code in registry.rules()]


@pytest.mark.parametrize("case", HITS, ids=lambda case: case.name)
def test_no_finding_depends_on_the_triggers(case: Case) -> None:
    unfiltered = [replace(rule, triggers=()) for rule in rules_for(case.code)]
    data = case.source.encode()
    found = analysis.check_source(data, filename=case.filename, settings=case.settings, rules=unfiltered)
    assert case.check() == found


@pytest.mark.parametrize("case", HITS, ids=lambda case: case.name)
def test_every_hit_passes_the_gate(case: Case) -> None:
    assert WordSearch(case.source.encode()).any_of(GATE)


@pytest.mark.parametrize("code", registry.rules())
def test_every_file_that_passes_a_rules_triggers_passes_the_gate(code: str) -> None:
    triggers = registry.rules()[code].triggers
    covered = [group for group in triggers if all(any(word in trigger for word in GATE) for trigger in group)]
    assert covered, f"give {code} a group of triggers that all contain a word of prefilter.GATE, or extend GATE"


def test_each_group_needs_a_word() -> None:
    search = WordSearch(b"import subprocess; subprocess.Popen([]).wait()")
    assert search.passes((("Popen", "run"), ("wait", "poll")))
    assert not search.passes((("Popen",), ("poll",)))
    assert search.passes(())


def test_a_callable_of_the_user_stands_for_any_word() -> None:
    names = last_names(["jobs.pool.spawn"])
    assert WordSearch(b"spawn()", names).passes((("Popen",), ("PIPE",)))
    assert not WordSearch(b"print()", names).passes((("Popen",), ("PIPE",)))
