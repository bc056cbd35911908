"""The coarse net: one search for a few words, which spares most files everything else.

It imports nothing of this package, so that a run over files that have nothing to do with processes loads neither the
rules nor the model. The search is Aho-Corasick's (https://pypi.org/project/ahocorasick-rs/), over all words at once and
of the leftmost kind, which is vectorised for as few words as these: the automaton behind it hardly matters, and can be
the small one. benchmarks/speed/README.md has what the alternatives take.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

#: A file without any of these words holds no hazard of any rule: every rule has a group of triggers each of whose words
#: contains one of these (`tests/test_prefilter.py` holds every rule to it).
WORDS: tuple[str, ...] = (
    "subprocess",
    "multiprocess",  # multiprocessing, torch.multiprocessing, multiprocess
    "billiard",
    "concurrent",
    "hread",  # threading, _thread, Thread
    "fork",
    "killpg",
    "psutil",
    "close_fds",
    "preexec_fn",
    "set_inheritable",
    "dup2",
    "pipe2",
    "CLOEXEC",
    "SETFD",
)


def admits(data: bytes, extra: frozenset[str] = frozenset()) -> bool:
    """Return whether a file may hold a hazard.

    Arguments:
        data: the file, in UTF-8 or another encoding that has ASCII's bytes for ASCII.
        extra: last names of the callables that the user's settings add.
    """
    return bool(_search(extra).find_matches_as_indexes(data))


def last_names(dotted_names: Iterable[str]) -> frozenset[str]:
    """Return the last part of each dotted name: what a file that uses the callable must spell somewhere."""
    return frozenset(name.rpartition(".")[2] for name in dotted_names)


@lru_cache(maxsize=4)
def _search(extra: frozenset[str]) -> BytesAhoCorasick:
    patterns = [word.encode() for word in sorted({*WORDS, *extra})]
    return BytesAhoCorasick(patterns, matchkind=MatchKind.LeftmostFirst, implementation=Implementation.ContiguousNFA)
