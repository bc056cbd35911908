"""Paths as texts: glob patterns for them, with the meaning flake8 gives them, and the folders above them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch


def anchored(pattern: str, directory: str) -> str:
    """Return `pattern` with one that holds a slash made absolute, relative to `directory`."""
    if "/" in pattern:
        pattern = os.path.abspath(os.path.join(directory, pattern))
    return pattern.rstrip("/")


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Return whether the name or the absolute path of `path` matches one of the anchored `patterns`."""
    name, absolute = os.path.basename(path), os.path.abspath(path)
    return any(fnmatch(name, pattern) or fnmatch(absolute, pattern) for pattern in patterns)


def upwards(directory: str) -> Iterator[str]:
    """Yield `directory`, which is absolute, and those that hold it."""
    yield directory
    while (parent := os.path.dirname(directory)) != directory:
        yield parent
        directory = parent
