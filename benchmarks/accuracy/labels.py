"""The labels: which lines of which real files should be reported, by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class Level(Enum):
    """How sure a label is: ``MUST`` be reported, or ``MAY`` be (counts neither way)."""

    MUST = "must"
    MAY = "may"


@dataclass(frozen=True, slots=True)
class Label:
    """One hazard: a report of `code` on any of `lines` meets it."""

    code: str
    lines: frozenset[int]
    level: Level
    why: str


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """One file of one package, known by its sha256, with all its labels."""

    package: str
    path: str
    sha256: str
    labels: tuple[Label, ...]


def read_labels(path: Path) -> tuple[LabelledFile, ...]:
    """Read ``labels.jsonl``: one JSON object per line, one line per file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_labelled_file(json.loads(line)) for line in lines if line.strip())


def _labelled_file(row: dict[str, Any]) -> LabelledFile:
    return LabelledFile(
        package=row["package"],
        path=row["path"],
        sha256=row["sha256"],
        labels=tuple(_label(entry) for entry in row["labels"]),
    )


def _label(entry: dict[str, Any]) -> Label:
    return Label(
        code=entry["code"],
        lines=frozenset(entry["lines"]),
        level=Level(entry["level"]),
        why=entry.get("why", ""),
    )
