"""GitLab's code quality report.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from flake8_forksafe.reporting.outcome import Entry, Outcome
from flake8_forksafe.reporting.sarif import relative_posix
from flake8_forksafe.reporting.screen import Screen


def render(outcomes: Sequence[Outcome], *, screen: Screen) -> Iterator[str]:  # noqa: ARG001 - one face for all formats
    """Yield the document."""
    seen: Counter[str] = Counter()
    issues = [
        _issue(relative_posix(outcome.path), entry, seen, "major") for outcome in outcomes for entry in outcome.left
    ]
    issues += [_broken(outcome, seen) for outcome in outcomes if outcome.problem]
    yield json.dumps(issues, indent=2)


def _issue(path: str, entry: Entry, seen: Counter[str], severity: str) -> dict[str, object]:
    return {
        "description": f"{entry.code} {entry.message}",
        "check_name": entry.code,
        "fingerprint": _fingerprint(f"{path}\0{entry.who.fingerprint}", seen),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": entry.place.line, "end": entry.place.end_line}},
    }


def _broken(outcome: Outcome, seen: Counter[str]) -> dict[str, object]:
    path = relative_posix(outcome.path)
    return {
        "description": f"not checked: {outcome.problem}",
        "check_name": "forksafe",
        "fingerprint": _fingerprint(f"{path}\0{outcome.problem}", seen),
        "severity": "minor",
        "location": {"path": path, "lines": {"begin": outcome.problem_line or 1}},
    }


def _fingerprint(identity: str, seen: Counter[str]) -> str:
    """Return a text that stays the same while the finding moves up and down, and that no other finding has."""
    seen[identity] += 1
    text = f"{identity}\0{seen[identity]}"
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()
