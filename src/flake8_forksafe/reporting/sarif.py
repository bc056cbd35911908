"""SARIF 2.1.0, which code scanning services and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from flake8_forksafe import __version__
from flake8_forksafe.reporting.outcome import Entry, Outcome, Place
from flake8_forksafe.reporting.screen import Screen

#: Where OASIS publishes the schema.
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(outcomes: Sequence[Outcome], *, screen: Screen) -> Iterator[str]:  # noqa: ARG001 - one face for all formats
    """Yield the document."""
    codes = sorted({entry.code for outcome in outcomes for entry in outcome.left})
    problems = [outcome for outcome in outcomes if outcome.problem]
    run = {
        "tool": {"driver": {"name": "forksafe", "version": __version__, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"PROJECT": {"uri": f"{Path.cwd().as_uri().rstrip('/')}/"}},
        "invocations": [
            {
                "executionSuccessful": not problems,
                "toolExecutionNotifications": [_notification(outcome) for outcome in problems],
            }
        ],
        "results": [_result(outcome.path, entry, codes) for outcome in outcomes for entry in outcome.left],
    }
    yield json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, object]:
    from flake8_forksafe import registry
    from flake8_forksafe.codes import FRK000_PAGE
    from flake8_forksafe.rule import RulePage

    rule = registry.rules().get(code)
    if rule is None:
        return {"id": code, "shortDescription": {"text": FRK000_PAGE}}
    text = registry.page(rule)
    page = RulePage.parse(text)
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": page.summary},
        "fullDescription": {"text": page.sections["What it does"]},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": "error", "enabled": not rule.opt_in},
    }


def _result(path: str, entry: Entry, codes: Sequence[str]) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": entry.code,
        "ruleIndex": codes.index(entry.code),
        "level": "error",
        "message": {"text": entry.message},
        "locations": [{"physicalLocation": _location(path, entry.place)}],
        "partialFingerprints": {"statement/v1": entry.who.fingerprint},
    }
    if entry.related:
        result["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _location(item.path or path, item.place),
                "message": {"text": item.message},
            }
            for number, item in enumerate(entry.related)
        ]
    return result


def _notification(outcome: Outcome) -> dict[str, object]:
    location: dict[str, object] = {"artifactLocation": _artifact(outcome.path)}
    if outcome.problem_line:
        location["region"] = {"startLine": outcome.problem_line}
    return {
        "level": "error",
        "message": {"text": outcome.problem},
        "locations": [{"physicalLocation": location}],
    }


def _location(path: str, place: Place) -> dict[str, object]:
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    return {"artifactLocation": _artifact(path), "region": region}


def _artifact(path: str) -> dict[str, str]:
    relative = relative_posix(path)
    if os.path.isabs(relative):  # noqa: PTH117 - the text may be no path of this system
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(os.fsencode(relative)), "uriBaseId": "PROJECT"}


def relative_posix(path: str) -> str:
    """Return `path` with slashes, relative to the current directory if it lies in it, else absolute."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - `a/../b` must become `b`, symbolic links must stay
    directory = Path.cwd()
    return (absolute.relative_to(directory) if absolute.is_relative_to(directory) else absolute).as_posix()
