"""Count what each tool reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.comparison.cases import Kind, Module
from benchmarks.comparison.rules import Neighbour, Rules
from benchmarks.comparison.tools import OURS, Report


class Score(NamedTuple):
    """Hazards whose statement a rule about them reports, and near misses in which such a rule reports anything."""

    found: int
    false: int


class Spread(NamedTuple):
    """In how many modules some rules report anything: with a hazard, and near misses."""

    hazards: int
    near_misses: int


@dataclass(frozen=True, slots=True)
class Result:
    """The modules and what one tool reports in each, by the module's path."""

    modules: Sequence[Module]
    tool: str
    rules: Rules
    reports: Mapping[str, Sequence[Report]]

    def score(self, code: str) -> Score | None:
        """Return the figures for one code, None where the tool has no rule about it."""
        counted = frozenset({code}) if self.tool == OURS else self.rules.for_code(self.tool, code)
        if not counted:
            return None
        mine = [module for module in self.modules if module.subject == code]
        return Score(
            found=sum(self._found(module, counted) for module in mine),
            false=sum(module.kind is Kind.NEAR_MISS and self._speaks(module, counted) for module in mine),
        )

    def spread(self, rules: frozenset[str]) -> Spread:
        """Return in how many modules one of `rules` reports anything."""
        speaking = [module.kind for module in self.modules if self._speaks(module, rules)]
        return Spread(speaking.count(Kind.HAZARD), speaking.count(Kind.NEAR_MISS))

    def reports_neighbour(self, neighbour: Neighbour) -> bool:
        """Return whether a rule about `neighbour` reports its statement; of this project, any rule."""
        module = next(module for module in self.modules if module.subject == neighbour.title)
        if self.tool == OURS:
            return bool(self.reports.get(module.path))
        return self._found(module, neighbour.rules.get(self.tool, frozenset())) > 0

    def _found(self, module: Module, rules: frozenset[str]) -> int:
        reports = [report for report in self.reports.get(module.path, ()) if report.rule in rules]
        return sum(
            any(report.first <= last and first <= report.last for report in reports) for first, last in module.spans
        )

    def _speaks(self, module: Module, rules: frozenset[str]) -> bool:
        return any(report.rule in rules for report in self.reports.get(module.path, ()))


def by_path(reports: Iterable[Report]) -> dict[str, list[Report]]:
    """Return the reports of each module."""
    found: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        found[report.path].append(report)
    return dict(found)
