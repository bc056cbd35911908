"""Glob patterns for files, with the meaning flake8 gives them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatch


def anchored(pattern: str, directory: str) -> str:
    """Return `pattern` with one that holds a slash made absolute, relative to `directory`."""
    if "/" in pattern:
        pattern = os.path.abspath(os.path.join(directory, pattern))  # noqa: PTH100, PTH118 - pathlib would resolve no ..
    return pattern.rstrip("/")


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Return whether the name or the absolute path of `path` matches one of the anchored `patterns`."""
    name, absolute = os.path.basename(path), os.path.abspath(path)  # noqa: PTH100, PTH119 - once per file and pattern
    return any(fnmatch(name, pattern) or fnmatch(absolute, pattern) for pattern in patterns)
