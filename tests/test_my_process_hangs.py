"""The guide shows what its commands really print: its recordings are whole, and can be made again."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from hanglab.diagnosis import CASES, PATH, Step, record
from hanglab.harness import PROGRAMS
from test_rule_docs import ROOT, script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through Linux's /proc")

guide = script("record_guide")
PAGE = guide.PAGE.read_text(encoding="utf-8")
STEPS = {f"{name}/{key}": step for name, case in CASES.items() for key, step in case.steps.items()}

#: Cases of a second or less; the others are as good, but slow.
QUICK = {"own", "preexec", "full"}


def test_every_step_stands_on_the_page_once() -> None:
    keys = re.findall(r"<!-- recorded: (\S+) -->", PAGE)
    assert sorted(keys) == sorted(STEPS)
    assert guide.blocks(PAGE).keys() == STEPS.keys()


@pytest.mark.parametrize("key", STEPS)
def test_a_recording_shows_what_the_page_says(key: str) -> None:
    text, step = guide.blocks(PAGE)[key], STEPS[key]
    prompt, _, output = text.partition("\n")
    words = re.split(r"\{[^}]+\}", step.command)
    assert re.fullmatch(r"\$ " + r"\S+".join(map(re.escape, words)), prompt)
    for pattern in step.shows:
        assert re.search(pattern, output, re.MULTILINE), pattern


def test_recordings_hold_no_path_of_whoever_made_them() -> None:
    text = "".join(guide.blocks(PAGE).values())
    folders = {path.split("/")[1] for path in re.findall(r"(?<![\w\]*])/[a-z][\w/.-]*", text)}
    assert folders <= {"bin", "dev", "proc", "tmp", "usr"}
    assert set(re.findall(r"/tmp/\w+", text)) == {str(guide.FOLDER)}


def test_a_recording_replaces_its_own_block_only() -> None:
    page = guide.with_recordings(PAGE, {"own/holders": "$ new\n"})
    before, after = guide.blocks(PAGE), guide.blocks(page)
    assert after.pop("own/holders") == "$ new\n"
    assert before.pop("own/holders") != "$ new\n"
    assert before == after
    assert guide.with_recordings(PAGE, {}) == PAGE


def test_every_program_that_the_page_names_exists() -> None:
    names = re.findall(r"`(FRK\d{3}/\w+\.py)`", PAGE)
    assert {f"{case.program}.py" for case in CASES.values()} == set(names)
    assert all((PROGRAMS / name).is_file() for name in names)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CASES]
)
def test_the_commands_show_it_again(name: str, tmp_path: Path) -> None:
    """A step that does not show what it should raises an error, which names what it showed."""
    if shutil.which("python3", path=PATH) is None:
        pytest.skip("there is no Python of the system")
    recordings = record(name, tmp_path / name)
    if all(recording.missing for recording in recordings):
        pytest.skip("; ".join(sorted({recording.missing for recording in recordings})))
    assert [recording.key.partition("/")[2] for recording in recordings] == list(CASES[name].steps)


def test_a_tool_that_is_not_there_is_passed_over() -> None:
    step = Step("no-such-tool --pid {its.main}", ("anything",))
    assert step.missing == "no-such-tool is not installed"


def test_the_decision_table_leads_to_sections_and_rules() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "(rules/" in line]
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in PAGE.splitlines()}
    assert len(rows) > 10
    for row in rows:
        (anchor,) = re.findall(r"\]\(#([\w-]+)\)", row)
        assert anchor in headings
        for rule in re.findall(r"\((rules/FRK\d{3}\.md)\)", row):
            assert (ROOT / "docs" / rule).is_file()
