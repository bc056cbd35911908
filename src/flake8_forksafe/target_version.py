"""Which Python the checked code must run on."""

from __future__ import annotations

import os
import re
import sys

from flake8_forksafe.paths import upwards

#: No Python 3 has come near this many minor releases; the search for the lowest admitted one ends here.
_MINORS = range(100)


def default(start: str) -> tuple[int, int]:
    """Return the oldest Python that the project around `start` supports, else the running Python.

    The project is the nearest pyproject.toml in `start`, an absolute directory, or above it. One that cannot be read,
    or that does not say `requires-python`, says nothing.
    """
    for directory in upwards(start):
        pyproject = os.path.join(directory, "pyproject.toml")
        if os.path.isfile(pyproject):
            return _lowest_admitted(_requires_python(pyproject)) or sys.version_info[:2]
    return sys.version_info[:2]


def _requires_python(pyproject: str) -> str:
    try:
        with open(pyproject, encoding="utf-8") as file:
            text = file.read()
        if "requires-python" not in text:
            return ""
        import tomllib

        project = tomllib.loads(text).get("project")
    except (OSError, ValueError, RecursionError):
        return ""
    requirement = project.get("requires-python") if isinstance(project, dict) else None
    return requirement if isinstance(requirement, str) else ""


def _lowest_admitted(requirement: str) -> tuple[int, int] | None:
    """Return the lowest 3.x of which `requirement` (a PEP 440 specifier, `">=3.9,!=3.9.1"`) admits a release."""
    if not requirement:
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(requirement)
    except InvalidSpecifier:
        return None
    # Whether a minor is admitted can only change next to a release that the specifier names.
    named = {int(micro) for micro in re.findall(r"\d+\.\d+\.(\d+)", requirement)}
    micros = sorted({0, 99} | named | {micro + 1 for micro in named})
    return next(
        ((3, minor) for minor in _MINORS if any(specifiers.contains(f"3.{minor}.{micro}") for micro in micros)), None
    )
