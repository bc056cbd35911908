"""The hazards are real: each bad program goes wrong when it runs, and its cures, by hand and by the fixer, do not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fixture_cases import rules_for
from hanglab.harness import GENEROUS, Hazard, Laboratory, Observation, ProcessTable, Program, programs, run

from flake8_forksafe import analysis, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.fixing.engine import fix_source
from flake8_forksafe.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through Linux's /proc")

BAD, GOOD = programs("bad"), programs("good")

#: The fixed programs must run on every supported Python, and need not wait long for a stubborn child.
SETTINGS = Settings(target_version=(3, 11), grace_period=0.5)


def parameters(chosen: list[Program]) -> list[object]:
    return [
        pytest.param(program, id=program.name, marks=[pytest.mark.slow] if program.slow else []) for program in chosen
    ]


bad = pytest.mark.parametrize("program", parameters(BAD))
good = pytest.mark.parametrize("program", parameters(GOOD))


@pytest.fixture(scope="session")
def laboratory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A laboratory that has begun with the programs of this session's tests.

    A worker of pytest-xdist does not know which tests it will get, and begins with none.
    """
    laboratory = Laboratory(tmp_path_factory.mktemp("hanglab"), workers=6)
    try:
        if "PYTEST_XDIST_WORKER" not in os.environ:
            for item in request.session.items:
                program = item.callspec.params.get("program") if hasattr(item, "callspec") else None
                if isinstance(program, Program) and program.applies:
                    laboratory.start(program)
        yield laboratory
    finally:
        laboratory.close()


def check(source: bytes, code: str) -> list[Finding]:
    return analysis.check_source(source, filename="program.py", settings=SETTINGS, rules=rules_for(code))


def findings(program: Program) -> list[Finding]:
    return check(program.source, program.code)


def assert_well_behaved(observation: Observation, cure: Observation) -> None:
    """Check that a program ended as it should, left nothing behind, and printed what its cure by hand prints."""
    assert not observation.hazards, observation
    assert observation.status == 0, observation.errors
    assert sorted(observation.output.splitlines()) == sorted(cure.output.splitlines())


def test_every_rule_has_a_program() -> None:
    assert {program.code for program in BAD} == {program.code for program in GOOD} == set(registry.rules())


@pytest.mark.parametrize("escape", ["['setsid', 'sleep', '60']", "['sleep', '60'], env={}", "['sleep', '60']"])
def test_a_process_that_runs_on_is_seen_and_ended(escape: str, tmp_path: Path) -> None:
    source = f"import subprocess; print(subprocess.Popen({escape}).pid)"
    stray = replace(GOOD[0], name="stray", source=source.encode())
    observation = run(stray, folder=tmp_path, limit=GENEROUS, table=ProcessTable())
    assert observation.hazards == {Hazard.ORPHAN}
    assert observation.orphans == ("sleep",)
    assert not Path("/proc", observation.output.strip(), "exe").exists()


@bad
def test_a_bad_program_is_reported(program: Program) -> None:
    assert program.code in {finding.code for finding in findings(program)}


@good
def test_a_cure_is_not_reported(program: Program) -> None:
    assert not findings(program)


@good
def test_a_cure_ends_and_leaves_nothing_behind(program: Program, laboratory: Laboratory) -> None:
    observation = laboratory.observe(program)
    assert_well_behaved(observation, observation)
    assert "main: done" in observation.output.splitlines()


@bad
def test_a_bad_program_shows_its_hazard(program: Program, laboratory: Laboratory) -> None:
    if not program.applies:
        pytest.skip(f"the hazard exists on Python {program.pythons}")
    observation = laboratory.observe(program)
    assert program.hazard in observation.hazards, observation


@bad
def test_a_fixed_program_ends_and_leaves_nothing_behind(program: Program, laboratory: Laboratory) -> None:
    fixed = repaired(program)
    assert_well_behaved(laboratory.observe(fixed), laboratory.observe(program.cure))


def repaired(program: Program) -> Program:
    """Return what the fixer makes of `program`, and skip the test where its hazard has no fix."""
    own = [finding for finding in findings(program) if finding.code == program.code]
    if all(finding.fix is None for finding in own):
        pytest.skip(f"{program.code} has no fix here")
    result = fix_source(
        program.source, filename="program.py", check=lambda data: check(data, program.code), unsafe=True
    )
    assert not result.dropped
    assert program.code in {finding.code for finding in result.fixed}
    assert program.code not in {finding.code for finding in result.left}
    return replace(program, name=f"{program.name}-fixed", source=result.data, hazard=None)
