"""What the tools are run over: the fixture cases of every rule and the neighbours of rules.toml, one module each."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.pinned import PROJECT

sys.path.insert(0, str(PROJECT / "tests"))

import fixture_cases

from benchmarks.comparison.rules import Neighbour


class Kind(Enum):
    """What a module shows."""

    HAZARD = "hazard"
    NEAR_MISS = "near miss"
    NEIGHBOUR = "neighbour"


@dataclass(frozen=True, slots=True)
class Module:
    """One module to check.

    `subject` is a code for hazards and near misses, the title for neighbours. `spans` are the first and last line of
    the statements that hold a hazard, one for each, none in a near miss.
    """

    name: str
    kind: Kind
    subject: str
    target: tuple[int, int]
    filename: str
    source: str
    spans: tuple[tuple[int, int], ...]

    @property
    def path(self) -> str:
        """Where the module is, relative to the folder of all of them: one folder per target version."""
        return f"{self.target[0]}.{self.target[1]}/{self.name}/{self.filename}"


def fixture_modules() -> Iterator[Module]:
    """Yield every case of tests/fixtures; in a bad one, only the lines of the rule whose fixture it is are hazards."""
    for number, case in enumerate(fixture_cases.all_cases()):
        kind = Kind.HAZARD if case.kind == "bad" else Kind.NEAR_MISS
        name = f"{case.code.lower()}_{case.kind}_{number:04}"
        lines = sorted(line for line, code in case.expected if code == case.code)
        yield Module(
            name=name,
            kind=kind,
            subject=case.code,
            target=case.target,
            # Unique names, as pylint keeps one module of each; only __main__.py means something.
            filename="__main__.py" if case.filename == "__main__.py" else f"{name}.py",
            source=case.source,
            spans=tuple(statement_span(case.source, line) for line in lines),
        )


def neighbour_modules(neighbours: Iterable[Neighbour]) -> Iterator[Module]:
    """Yield one module for each neighbour."""
    for number, neighbour in enumerate(neighbours):
        name = f"neighbour_{number:02}"
        yield Module(
            name=name,
            kind=Kind.NEIGHBOUR,
            subject=neighbour.title,
            target=(3, 11),
            filename=f"{name}.py",
            source=neighbour.source,
            spans=(statement_span(neighbour.source, neighbour.line),),
        )


def write(modules: Iterable[Module], folder: Path) -> None:
    """Write the modules to their paths in `folder`."""
    for module in modules:
        path = folder / module.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module.source, encoding="utf-8")


def statement_span(source: str, line: int) -> tuple[int, int]:
    """Return the first and last line of the innermost statement at `line`; of a compound one, its header.

    Tools differ in where on a statement they report: at its first line, at the call, at the argument.
    """
    span = (line, line)
    for node in ast.walk(ast.parse(source)):  # outer statements come before inner ones
        if not isinstance(node, ast.stmt):
            continue
        match getattr(node, "body", None):
            case [ast.stmt(lineno=below), *_]:
                last = max(node.lineno, below - 1)
            case _:
                last = node.end_lineno or node.lineno
        if node.lineno <= line <= last:
            span = (node.lineno, last)
    return span
