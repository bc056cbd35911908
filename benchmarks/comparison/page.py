"""The generated parts of docs/comparison.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.comparison.cases import Kind, Module
from benchmarks.comparison.rules import Rules
from benchmarks.comparison.score import Result
from benchmarks.comparison.tools import OURS
from benchmarks.generated import table
from benchmarks.pinned import PROJECT

PAGE = PROJECT / "docs" / "comparison.md"
COLUMNS = (OURS, "ruff", "pylint", "bandit", "flake8-async", "semgrep")

NO_RULE = "-"
NOT_RUN = "not run"


def tool_table(versions: Mapping[str, tuple[str, str]], *, date: str, python: str) -> str:
    """Return when and with what the tools ran; `versions` holds version and options of each."""
    rows = [(tool, *versions.get(tool, (NOT_RUN, "its rules could not be had"))) for tool in COLUMNS]
    return f"Run on {date} with Python {python}.\n\n" + table(("tool", "version", "rules that are on"), rows)


def hazard_table(names: Mapping[str, str], modules: Sequence[Module], results: Mapping[str, Result]) -> str:
    """Return the table with a row for each code of `names`."""
    header = ("hazard", "hazards", "near misses", *COLUMNS)
    hazards = {
        code: sum(len(module.spans) for module in modules if module.subject == code and module.kind is Kind.HAZARD)
        for code in names
    }
    near_misses = {
        code: sum(module.subject == code and module.kind is Kind.NEAR_MISS for module in modules) for code in names
    }
    rows = [
        (
            f"[{code}](rules/{code}.md) {name}",
            str(hazards[code]),
            str(near_misses[code]),
            *(_cell(results.get(tool), [code]) for tool in COLUMNS),
        )
        for code, name in names.items()
    ]
    total = ("all", str(sum(hazards.values())), str(sum(near_misses.values())))
    rows.append((*total, *(_cell(results.get(tool), names) for tool in COLUMNS)))
    return table(header, rows, right=range(1, len(header)))


def _cell(result: Result | None, codes: Iterable[str]) -> str:
    if result is None:
        return NOT_RUN
    scores = [score for score in map(result.score, codes) if score is not None]
    if not scores:
        return NO_RULE
    false = sum(score.false for score in scores)
    return f"{sum(score.found for score in scores)}" + (f" ({false} false)" if false else "")


def about_table(rules: Rules) -> str:
    """Return which rules of the other tools count, and for what."""
    rows = [(_rule_names(about.rules), ", ".join(sorted(about.codes)), about.reason) for about in rules.about]
    return table(("rule", "counts for", "what it warns of"), rows)


def aside_table(rules: Rules, modules: Sequence[Module], results: Mapping[str, Result]) -> str:
    """Return how often the rules that do not count report something, in modules with a hazard and without."""
    kinds = [module.kind for module in modules]
    of_hazards, of_near_misses = kinds.count(Kind.HAZARD), kinds.count(Kind.NEAR_MISS)
    rows = [
        (aside.reason, f"{tool} {', '.join(sorted(names))}", f"{spread.hazards}", f"{spread.near_misses}")
        for aside in rules.aside
        for tool, names in aside.rules.items()
        if tool in results
        for spread in [results[tool].spread(names)]
    ]
    header = ("subject", "rules", f"of {of_hazards} with a hazard", f"of {of_near_misses} near misses")
    return table(header, rows, right=(2, 3))


def neighbour_table(rules: Rules, results: Mapping[str, Result]) -> str:
    """Return which tool reports what this project leaves to others."""
    header = ("what", *COLUMNS)
    rows = [
        (
            neighbour.title,
            *(
                NOT_RUN if tool not in results else "yes" if results[tool].reports_neighbour(neighbour) else NO_RULE
                for tool in COLUMNS
            ),
        )
        for neighbour in rules.neighbours
    ]
    return table(header, rows)


def _rule_names(rules: Mapping[str, frozenset[str]]) -> str:
    return "; ".join(f"{tool} {', '.join(sorted(names))}" for tool, names in rules.items())
