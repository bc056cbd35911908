"""The prefilter loses nothing."""

from __future__ import annotations

import ast

import pytest
from fixture_cases import Case, all_cases

from benchmarks.speed import prefilter
from flake8_forksafe import gate, registry
from flake8_forksafe.gate import last_names
from flake8_forksafe.identifiers import IdentifierSearch
from flake8_forksafe.model.scopes import ScopeTable
from flake8_forksafe.outline import Outline
from flake8_forksafe.prefilter import (
    WordSearch,
    may_neglect_pipes,
    may_start_process_at_import,
    may_start_thread_at_import,
    may_time_out,
    may_use_pipes,
)

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


@pytest.mark.parametrize(
    "text", [b"x.pipe(", b"x = pipe2()", b"import multiprocessing", b"to_threading", b"a.fork as b"]
)
def test_words_that_share_letters_are_all_found(text: bytes) -> None:
    for word in ("pipe(", ".pipe", "= pipe", "pipe2", "multiprocess", "multiprocessing", "import multiprocess"):
        assert WordSearch(text).passes(((word,),)) is (word.encode() in text)
    for word in ("to_thread", "threading", "_thread", "hread", ".fork", "fork as", "fork"):
        assert WordSearch(text).passes(((word,),)) is (word.encode() in text)


@pytest.mark.parametrize(
    "text", [b"import hreadup2", b"Threadummy", b"os.forkillpg", b"Processet_inheritable", b"PIPE"]
)
def test_a_word_that_begins_inside_another_one_is_found(text: bytes) -> None:
    for word in ("dup2", "dummy", "killpg", "set_inheritable", "threading"):
        assert WordSearch(text).passes(((word,),)) is (word.encode() in text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("wait", {"wait"}),
        ("os.waitpid(pid)", {"waitpid"}),
        ("await waiter", set()),
        ("wait_for(wait)", {"wait"}),
        ("\u00e9wait, wait\u00e9", set()),
        ('getattr(p, "wait")', {"wait"}),
        ("prewait(waitpid2)", set()),
    ],
)
def test_only_whole_identifiers_are_found(text: str, found: set[str]) -> None:
    search = IdentifierSearch({"wait", "waitpid"})
    assert search.found_in(text.encode()) == found
    assert bool(list(search.places_in(text.encode()))) is bool(found)


@pytest.mark.parametrize(
    ("source", "uses", "neglects"),
    [
        ("Popen(a, stdout=PIPE).communicate()", False, False),
        ("p = Popen(a, stdout=PIPE)\np.communicate()\nprint(p.returncode, file=sys.stderr)", False, False),
        ("with Popen(a, stdout=PIPE) as p:\n    out = p.communicate()", False, False),
        (
            "async def f():\n    p = await create_subprocess_exec(a, stdout=PIPE)\n    await p.communicate()",
            False,
            False,
        ),
        ("p = Popen(a, stdout=PIPE)", False, True),
        ("p = Popen(a, stdout=PIPE)\nq = Popen(b, stdout=PIPE)\nq.communicate()", False, True),
        ("p = Popen(a, stdout=PIPE)\np = Popen(b, stdout=PIPE)\np.communicate()", False, True),
        ("self.p = Popen(a, stdout=PIPE)\nself.p.communicate()", False, True),
        ("from subprocess import Popen as P\np = P(a, stdout=PIPE)\np.communicate()", False, True),
        ("make = Popen\np = make(a, stdout=PIPE)", False, True),
        ("class P(Popen): ...", False, True),
        ('p = getattr(subprocess, "Popen")(a, stdout=PIPE)', True, True),
        ("p = Popen(a, stdout=PIPE)\np.communicate()\np.stdout.close()", True, True),
        ("p = Popen(a, stdout=PIPE)\np.wait()", True, True),
        ('p = Popen(a, stdout=PIPE)\ngetattr(p, "wait")()', True, True),
    ],
)
def test_a_child_that_is_only_communicated_with_is_spared(source: str, *, uses: bool, neglects: bool) -> None:
    scopes = ScopeTable(ast.parse(source))
    assert may_use_pipes(scopes, scopes.functions) is uses
    assert may_neglect_pipes(scopes, scopes.functions) is neglects


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("p.wait()", False),
        ("p.communicate(data)", False),
        ("p.wait(5)", True),
        ("p.communicate(data, 5)", True),
        ("p.communicate(timeout=5)", True),
        ('p.communicate(**{"timeout": 5})', True),
        ("wait = p.wait\nwait(5)", True),
        ("hold = p.wait\nhold(5)", True),
        ("await wait_for(p.wait(), 5)", True),
    ],
)
def test_a_wait_without_a_time_limit_is_spared(source: str, *, verdict: bool) -> None:
    scopes = ScopeTable(ast.parse(source))
    assert may_time_out(scopes, scopes.functions) is verdict


@pytest.mark.parametrize(
    ("source", "thread", "process"),
    [
        ("def f(start=None):\n    t.start()\n", False, False),
        ("def f():\n    pass\nt.start()\n", True, True),
        ("class A:\n    t.start()\n", True, True),
        ("class A:\n    def f(self):\n        t.start()\n", False, False),
        ('def f():\n    pass\nif __name__ == "__main__":\n    f()\n    t.start()\n', False, False),
        ('if __name__ == "__main__":\n    pass\nelse:\n    t.start()\n', True, True),
        ("def f():\n    pass\nf()\n", False, True),
        ("def f():\n    pass\n@f\ndef g():\n    pass\n", False, True),
        ("class A:\n    pass\nA()\n", False, True),
        ("class A:\n    pass\n", False, False),
        ("from x import Pool as P\n", False, True),
    ],
)
def test_only_code_that_an_import_runs_counts_as_such(source: str, *, thread: bool, process: bool) -> None:
    outline = Outline.of(source.encode())
    assert may_start_thread_at_import(outline) is thread
    assert may_start_process_at_import(outline) is process
