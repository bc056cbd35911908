"""A search for many identifiers in a text at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick, MatchKind

#: What an identifier is made of, byte by byte.
_LETTERS = frozenset(bytes([c]) for c in range(256) if c >= 128 or chr(c).isalnum() or c == ord("_"))


class IdentifierSearch:
    """A search for whole identifiers, all in one pass.

    Arguments:
        names: the identifiers.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        patterns = [name.encode() for name in self._names]
        self._search = BytesAhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)

    def found_in(self, text: bytes) -> set[str]:
        """Return those of the identifiers that occur in `text`, which is UTF-8, wherever they stand."""
        met: set[int] = set()
        for index, start, end in self._search.find_matches_as_indexes(text):
            if index not in met and text[start - 1 : start] not in _LETTERS and text[end : end + 1] not in _LETTERS:
                met.add(index)
        return {self._names[index] for index in met}

    def places_in(self, text: bytes) -> Iterator[int]:
        """Yield the bytes of `text` at which one of the identifiers begins."""
        for _, start, end in self._search.find_matches_as_indexes(text):
            if text[start - 1 : start] not in _LETTERS and text[end : end + 1] not in _LETTERS:
                yield start


@lru_cache(maxsize=64)
def search_for(names: frozenset[str]) -> IdentifierSearch:
    """Return the search for `names`, made once."""
    return IdentifierSearch(names)
