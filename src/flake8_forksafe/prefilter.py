"""The byte search that spares most files the analysis.

There are two nets. The coarse one, `GATE`, needs no rule to be imported, so a flake8 run over files that have nothing
to do with processes never loads the rules. The fine one is each rule's own `triggers`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import lru_cache

#: A file without any of these words holds no hazard of any rule: every rule has a group of triggers each of whose words
#: contains one of these (`tests/test_prefilter.py` holds every rule to it).
GATE: tuple[str, ...] = (
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


#: Methods and functions by which a thread or process starts; a pool or manager starts when it is made.
_STARTING = frozenset(
    {"start", "start_new_thread", "Pool", "Manager", "SyncManager", "ProcessPoolExecutor"}
    | {"submit", "map", "apply", "apply_async", "imap", "imap_unordered", "map_async", "starmap", "starmap_async"}
)


@lru_cache(maxsize=1)  # two rules ask it of the same file, one after the other
def may_start_at_import(tree: ast.Module) -> bool:
    """Whether code outside of functions calls what starts a thread or process, or a function of the module."""
    stack: list[ast.AST] = list(tree.body)
    called: set[str] = set()
    defined: set[str] = set()
    starting = set(_STARTING)
    while stack:
        node = stack.pop()
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                called.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                defined.add(name)
                continue
            case ast.ClassDef(name=name):
                defined.add(name)
            case ast.Lambda():
                continue
            case ast.alias(name=name, asname=str(other)) if name in _STARTING:
                starting.add(other)
            case ast.Assign(value=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _STARTING:
                return True
            case _:
                pass
        stack.extend(ast.iter_child_nodes(node))
    return not called.isdisjoint(starting | defined)


class WordSearch:
    """Which words occur in the bytes of one file; each word is searched for once.

    Arguments:
        data: the file in UTF-8.
        extra: words the user's settings add. Code that uses one of them counts as using any trigger, because a
            callable the user names stands for a call that the rules would otherwise know by its own name.
    """

    __slots__ = ("_data", "_extra", "_found")

    def __init__(self, data: bytes, extra: Iterable[str] = ()) -> None:
        self._data = data
        self._found: dict[str, bool] = {}
        self._extra = any(self._occurs(word) for word in extra)

    def _occurs(self, word: str) -> bool:
        found = self._found.get(word)
        if found is None:
            found = self._found[word] = word.encode() in self._data
        return found

    def any_of(self, words: Iterable[str]) -> bool:
        """Return whether at least one of `words` occurs."""
        return self._extra or any(map(self._occurs, words))

    def passes(self, triggers: Sequence[Sequence[str]]) -> bool:
        """Return whether every group of `triggers` has a word that occurs."""
        return all(map(self.any_of, triggers))


def last_names(dotted_names: Iterable[str]) -> frozenset[str]:
    """Return the last part of each dotted name: what a file that uses the callable must spell somewhere."""
    return frozenset(name.rpartition(".")[2] for name in dotted_names)
