"""The comparison with other tools counts fairly, and its page is complete."""

from __future__ import annotations

import re

import pytest

from benchmarks import generated
from benchmarks.comparison import page, rules
from benchmarks.comparison.cases import Kind, Module, fixture_modules, statement_span
from benchmarks.comparison.score import Result, Score, by_path
from benchmarks.comparison.tools import OURS, Report
from flake8_forksafe import registry

SOURCE = """\
import subprocess


def start(argv):
    if argv:
        subprocess.Popen(
            argv,
            preexec_fn=print,
        )
"""


def module(kind: Kind, *spans: tuple[int, int], name: str = "module") -> Module:
    return Module(name, kind, "FRK303", (3, 11), "module.py", SOURCE, spans)


def result(tool: str, modules: list[Module], *reports: tuple[str, int, str]) -> Result:
    found = [Report(f"3.11/{name}/module.py", line, line, rule) for name, line, rule in reports]
    return Result(modules, tool, rules.read(), by_path(found))


def test_the_page_has_a_row_for_every_rule_in_order() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(FRK\d{3})\]\(rules/\1\.md\) (\S+) \|", text, re.MULTILINE)

    assert rows == [(code, rule.name) for code, rule in registry.rules().items()]


def test_the_page_names_every_tool_with_version_and_date() -> None:
    text = page.PAGE.read_text(encoding="utf-8")

    assert re.search(r"^Run on \d{4}-\d{2}-\d{2} with Python 3\.\d+\.\d+\.$", text, re.MULTILINE)
    for tool in page.COLUMNS:
        assert re.search(rf"^\| {tool} \| \d+\.\d+\.\d+ \|", text, re.MULTILINE), tool


def test_every_rule_has_hazards_and_near_misses() -> None:
    kinds = {(module.subject, module.kind) for module in fixture_modules()}

    assert kinds == {(code, kind) for code in registry.rules() for kind in (Kind.HAZARD, Kind.NEAR_MISS)}


def test_rules_count_for_codes_that_exist_and_for_tools_that_run() -> None:
    known = rules.read()

    for about in known.about:
        assert about.codes <= registry.rules().keys()
    named = [*known.about, *known.aside, *known.neighbours]
    assert {tool for entry in named for tool in entry.rules} <= set(page.COLUMNS)


@pytest.mark.parametrize(
    ("line", "span"),
    [
        pytest.param(8, (6, 9), id="an argument belongs to its call"),
        pytest.param(5, (5, 5), id="of a compound statement only the header"),
        pytest.param(4, (4, 4), id="of a function only the header"),
        pytest.param(2, (2, 2), id="no statement at all"),
    ],
)
def test_a_report_counts_on_the_statement(line: int, span: tuple[int, int]) -> None:
    assert statement_span(SOURCE, line) == span


def test_a_rule_about_the_hazard_counts_anywhere_on_its_statement_once() -> None:
    hazard = module(Kind.HAZARD, (6, 9))

    assert result("ruff", [hazard], ("module", 8, "PLW1509")).score("FRK303") == Score(1, 0)
    assert result("ruff", [hazard], ("module", 6, "PLW1509"), ("module", 8, "PLW1509")).score("FRK303") == Score(1, 0)
    assert result("ruff", [hazard], ("module", 5, "PLW1509")).score("FRK303") == Score(0, 0)


def test_a_rule_about_something_else_never_counts() -> None:
    modules = [module(Kind.HAZARD, (6, 9)), module(Kind.NEAR_MISS, name="other")]

    assert result("ruff", modules, ("module", 6, "S603"), ("other", 6, "S603")).score("FRK303") == Score(0, 0)


def test_a_rule_about_the_hazard_is_a_false_alarm_in_a_near_miss() -> None:
    near_miss = module(Kind.NEAR_MISS)

    assert result("pylint", [near_miss], ("module", 1, "W1509")).score("FRK303") == Score(0, 1)
    assert result(OURS, [near_miss], ("module", 1, "FRK303")).score("FRK303") == Score(0, 1)


def test_no_rule_is_not_the_same_as_nothing_found() -> None:
    hazard = module(Kind.HAZARD, (6, 9))
    results = {"ruff": result("ruff", [hazard]), "bandit": result("bandit", [hazard])}
    row = page.hazard_table({"FRK303": "preexec-fn"}, [hazard], results).splitlines()[2]

    assert row == "| [FRK303](rules/FRK303.md) preexec-fn | 1 | 0 | not run | 0 | not run | - | not run | not run |"


def test_a_part_without_markers_is_an_error_and_the_rest_of_the_page_is_kept() -> None:
    text = "before\n<!-- begin: a -->\nold\n<!-- end: a -->\nafter\n"

    assert generated.insert(text, {"a": r"\1 new"}) == "before\n<!-- begin: a -->\n\\1 new\n<!-- end: a -->\nafter\n"
    with pytest.raises(generated.PageError, match="begin: b"):
        generated.insert(text, {"b": ""})
