"""rules.toml: which rule of which tool is about which hazard."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RULES = Path(__file__).resolve().parent / "rules.toml"


@dataclass(frozen=True, slots=True)
class About:
    """Rules that are about the hazards of `codes`, by tool; `reason` says what they warn of."""

    rules: Mapping[str, frozenset[str]]
    codes: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Aside:
    """Rules that report on the same statements, about something else: `reason` says what."""

    rules: Mapping[str, frozenset[str]]
    reason: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A hazard that this project leaves to others: a module, its line, and the rules that are about it, by tool."""

    title: str
    line: int
    rules: Mapping[str, frozenset[str]]
    source: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All of rules.toml."""

    about: tuple[About, ...]
    aside: tuple[Aside, ...]
    neighbours: tuple[Neighbour, ...]

    def for_code(self, tool: str, code: str) -> frozenset[str]:
        """Return the rules of `tool` that are about the hazard `code`, none of them where it has none."""
        return frozenset[str]().union(*(about.rules.get(tool, ()) for about in self.about if code in about.codes))


def read(path: Path = RULES) -> Rules:
    """Return what rules.toml says."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return Rules(
        about=tuple(About(_rules(table), frozenset(table["codes"]), table["reason"]) for table in content["about"]),
        aside=tuple(Aside(_rules(table), table["reason"]) for table in content["aside"]),
        neighbours=tuple(
            Neighbour(table["title"], table["line"], _rules(table), table["source"]) for table in content["neighbour"]
        ),
    )


def _rules(table: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {tool: frozenset(rules) for tool, rules in table["rules"].items()}
