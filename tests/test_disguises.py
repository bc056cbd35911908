"""The programs of the fixtures in other words: a hazard is still reported, a near miss is still silent."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache

import disguises
import pytest
from fixture_cases import FIXTURES, Case, all_cases, read_cases, rules_for

from flake8_forksafe import registry

DISGUISES: dict[str, disguises.Disguise] = {
    "aliased imports": disguises.aliased_imports,
    "late imports": disguises.late_imports,
    "attributes": disguises.attributes,
    "wrappers": disguises.wrappers,
    "factories": disguises.factories,
    "rebound names": disguises.rebound_names,
}
#: The three disguises that every rule has to see through, and the forms in which they come.
KINDS = {
    "aliased import": ("aliased imports", "late imports", "rebound names"),
    "attribute": ("attributes",),
    "wrapper": ("wrappers", "factories"),
}
#: Rules of which no program has anything to move into an attribute, and the programs that have such a thing already.
WRITTEN_BY_HAND = {
    ("FRK104", "attribute"): "an attribute of the class is the function",
    ("FRK403", "attribute"): "the timer's callback is a method of the object",
}
_AT_THE_FORK = "the report is about a coroutine that forks itself; a plain function that does so may run anywhere"
_AT_IMPORT = "a function that makes a pool is not followed to its call at import (see the rule's page)"
_PASSED_ON = "a descriptor is not followed through *args and **kwargs of a function of the module"
_ONE_CALLER = "what the only caller knows about an argument is not known of the function that is given it"
_FORKS_IN_SIGHT = "what the child does is read where os.fork() stands, not where a function that calls it does"
#: What is lost in a disguise: rule, near miss or hit, disguise -> the programs, each with the reason.
LOST: dict[tuple[str, str, str], dict[str, str]] = {
    ("FRK107", "bad", "factories"): {"the arguments have a name": "a tuple that a parameter holds is not taken apart"},
    ("FRK201", "good", "wrappers"): {
        "Windows flags beside it": "which of a caller's arguments come together in **kwargs"
    },
    ("FRK202", "bad", "wrappers"): {"pipe2 without O_CLOEXEC": "flags inside *args"},
    ("FRK203", "bad", "wrappers"): {
        "pass_fds with the parent's copy open": _PASSED_ON,
        "a child's stdout is the pipe and the close comes after the read": _PASSED_ON,
        "the ends live on self and are read in another method": _PASSED_ON,
        "both ends in one tuple": _PASSED_ON,
        "the default start method below 3.14 is fork": _PASSED_ON,
        "a helper forked before the close keeps the write end": _FORKS_IN_SIGHT,
    },
    ("FRK203", "bad", "factories"): {"a helper forked before the close keeps the write end": _FORKS_IN_SIGHT},
    ("FRK401", "bad", "wrappers"): {
        "an option of a Timer subclass is left at its default and makes no daemon": "the option may come in **kwargs",
    },
    **{
        ("FRK305", "bad", form): {
            "a pool created when the module is imported": _AT_IMPORT,
            "Pool imported under another name": _AT_IMPORT,
            "a class body makes the pool": _AT_IMPORT,
            "a pool kept in an attribute of the application": _AT_IMPORT,
            "a manager serves from import on": _AT_IMPORT,
            "a try block is no guard": _AT_IMPORT,
        }
        for form in KINDS["wrapper"]
    },
    **{
        ("FRK308", "bad", form): {
            "os.fork in a coroutine": _AT_THE_FORK,
            "Pool imported under another name": _AT_THE_FORK,
            "an executor without mp_context": _AT_THE_FORK,
            "the executor is kept in an attribute": _AT_THE_FORK,
            "a manager made on entering an async context": _AT_THE_FORK,
            "an async fixture yields a pool": _AT_THE_FORK,
            "set_start_method asks for fork on 3.14": _AT_THE_FORK,
        }
        for form in KINDS["wrapper"]
    },
    **{
        ("FRK101", "good", form): {
            "a flag set together with the pipe says who reads it": _ONE_CALLER,
            "a helper is told whether the stream is a pipe": _ONE_CALLER,
        }
        for form in KINDS["wrapper"]
    },
    **{
        ("FRK301", "good", form): {
            "the child only arranges descriptors and its session and execs": _FORKS_IN_SIGHT,
            "the child of pty.fork does nothing but exec": _FORKS_IN_SIGHT,
        }
        for form in KINDS["wrapper"]
    },
    ("FRK302", "good", "wrappers"): {
        "only the child's target starts a thread": "a target inside **kwargs",
        "a pool's initializer starts the thread in each worker": "an initializer inside **kwargs",
    },
    **{
        ("FRK303", "good", form): {"a Python that has process_group does not come to the hook": _ONE_CALLER}
        for form in KINDS["wrapper"]
    },
    ("FRK509", "good", "factories"): {"the literal command begins with exec": _ONE_CALLER},
}
LOST["FRK101", "good", "factories"]["the pipe is asked for and read under one test, through a dict of its own"] = (
    _ONE_CALLER
)
LOST["FRK101", "good", "factories"][
    "the wait stands where neither output is a pipe, and a terminal may take its place"
] = _ONE_CALLER
LOST["FRK104", "good", "factories"] = {"the call stands on the branch without the pipe": _ONE_CALLER}
_NOTHING_MADE = "no constructor of the standard library is called by its name that could be written in another way"
#: Hits that are reported in fewer than three of the disguises, because no more of them fit.
FEW = {
    "FRK104": {"an attribute of the class is the function": "it is in disguise already"},
    "FRK106": {"a Popen subclass writes to itself and then communicates": _NOTHING_MADE},
    "FRK202": {
        "a coroutine that moves work to a thread": _NOTHING_MADE,
        "a low-level thread and an inheritable temporary file": _NOTHING_MADE,
    },
    "FRK303": {
        "a Popen subclass that is given the hook": _NOTHING_MADE,
        "a Popen subclass that sets its own hook": _NOTHING_MADE,
        "psutil's Popen hands it on": _NOTHING_MADE,
        "a partial of run": _NOTHING_MADE,
    },
    "FRK305": {"a pool kept in an attribute of the application": "an attribute of an object at import, already"},
    "FRK401": {
        "an option of a Timer subclass is left at its default and makes no daemon": "made by a class of the module",
    },
    "FRK501": {
        "a Popen subclass ends itself": _NOTHING_MADE,
        "a subclass waits for ever in its own terminate": _NOTHING_MADE,
        "an annotated parameter of a helper": _NOTHING_MADE,
    },
    "FRK503": {"the shell is for this platform": _NOTHING_MADE},
}


@cache
def programs() -> dict[tuple[str, str], list[Case]]:
    """The fixtures by rule and kind, the founding programs under a name of their own."""
    table: dict[tuple[str, str], list[Case]] = {}
    founding = [case for kind in ("good", "bad") for case in read_cases(FIXTURES / "founding" / f"{kind}.py")]
    for case in [*all_cases(), *founding]:
        table.setdefault((case.code, case.kind), []).append(case)
    return table


@cache
def outcomes(code: str, kind: str, form: str) -> dict[str, bool]:
    """Of the programs of a rule that the disguise fits: whether each is reported as it is without."""
    found: dict[str, bool] = {}
    for case in programs()[code, kind]:
        disguised = DISGUISES[form](ast.parse(case.source))
        if disguised is not None:
            reported = disguises.reported(
                disguised,
                filename=case.filename,
                settings=case.settings,
                rules=rules_for(case.code),
                shebang=case.source.startswith("#!"),
            )
            found[case.reason] = reported == Counter(case.expected)
    return found


@pytest.mark.parametrize("form", DISGUISES)
@pytest.mark.parametrize("kind", ["good", "bad"])
@pytest.mark.parametrize("code", [*registry.rules(), "founding"])
def test_a_disguise_changes_no_report(code: str, kind: str, form: str) -> None:
    wrong = {reason for reason, same in outcomes(code, kind, form).items() if not same}
    assert wrong == set(LOST.get((code, kind, form), ()))


@pytest.mark.parametrize("disguise", KINDS)
@pytest.mark.parametrize("code", registry.rules())
def test_every_rule_sees_through_every_disguise(code: str, disguise: str) -> None:
    by_hand = WRITTEN_BY_HAND.get((code, disguise))
    if by_hand is None:
        assert any(any(outcomes(code, "bad", form).values()) for form in KINDS[disguise])
    else:
        assert by_hand in [case.reason for case in programs()[code, "bad"]]


@pytest.mark.parametrize("code", registry.rules())
def test_every_hit_is_reported_in_three_disguises(code: str) -> None:
    seen = Counter(reason for form in DISGUISES for reason, same in outcomes(code, "bad", form).items() if same)
    few = {case.reason for case in programs()[code, "bad"] if seen[case.reason] < 3}
    assert few == set(FEW.get(code, ()))
