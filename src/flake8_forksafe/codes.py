"""Which codes a run reports, and in which files: flake8's rules about `select`, `ignore` and `per-file-ignores`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe import paths

if TYPE_CHECKING:
    from flake8_forksafe.rule import Rule

#: The code of the one line about a file that cannot be analysed; no rule file declares it.
TOO_DEEP = "FRK000"
#: Said of such a file.
FRK000_PAGE = """\
The code is nested deeper than Python's recursion limit, so no rule has looked at this file.
Such files are almost always generated: name them in `exclude`."""


class PerFileIgnore(NamedTuple):
    """Codes that are not reported in the files that `pattern` matches."""

    pattern: str
    codes: tuple[str, ...]


class Selection(NamedTuple):
    """Which codes are on. A code is named in full or by a prefix: `FRK101`, `FRK1`, `FRK`.

    Arguments:
        select: the codes that are on; None for all but the opt-in ones.
        extend_select: codes that are on besides.
        ignore: codes that are off.
        per_file_ignores: codes that are off in some files; of the patterns that match a file the longest counts.
    """

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[PerFileIgnore, ...] = ()

    def rules(self, rules: Iterable[Rule], path: str) -> list[Rule]:
        """Return those of `rules` that are on in the file `path`."""
        return list(_those_on(self, self._ignored_in(path), tuple(rules)))

    def admits(self, code: str, path: str) -> bool:
        """Return whether `code`, which is not opt-in, is on in the file `path`."""
        return self.is_on(code, self._ignored_in(path), opt_in=False)

    def is_on(self, code: str, ignored: tuple[str, ...], *, opt_in: bool) -> bool:
        """Return whether `code` is on where the codes and prefixes `ignored` are off."""
        named = (*(self.select or ()), *self.extend_select)
        if opt_in and code not in named:
            return False
        chosen, dropped = _longest_prefix(code, named), _longest_prefix(code, ignored)
        if not chosen:
            return self.select is None and not dropped
        return chosen > dropped

    def _ignored_in(self, path: str) -> tuple[str, ...]:
        matching = [entry for entry in self.per_file_ignores if paths.matches(path, (entry.pattern,))]
        if not matching:
            return self.ignore
        return (*self.ignore, *max(matching, key=lambda entry: len(entry.pattern)).codes)


@lru_cache  # most files have the same
def _those_on(selection: Selection, ignored: tuple[str, ...], rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if selection.is_on(rule.code, ignored, opt_in=rule.opt_in))


def _longest_prefix(code: str, prefixes: Iterable[str]) -> int:
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=0)


def checked(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the codes and prefixes in `texts`, which may hold several each, separated by commas or spaces.

    Raises:
        ValueError: one of them is no code of this project; the message names the nearest one that is.
    """
    codes = tuple(code for text in texts for code in re.split(r"[,\s]+", text) if code)
    for code in codes:
        if re.fullmatch(r"FRK\d{0,3}", code) is None or not any(known.startswith(code) for known in known_codes()):
            raise ValueError(f"unknown code {code!r}; {nearest(code)}")
    return codes


def nearest(code: str) -> str:
    """Return the end of a message about an unknown `code`."""
    from difflib import get_close_matches

    known = known_codes()
    families = sorted({known_code[:4] for known_code in known} | {"FRK"})
    (match,) = get_close_matches(code.upper(), [*known, *families], n=1, cutoff=0.0)
    return f"the nearest is {match}"


def known_codes() -> list[str]:
    """Return every code that can be reported."""
    from flake8_forksafe import registry

    return [TOO_DEEP, *registry.codes()]
