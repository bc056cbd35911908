"""The fine nets, which spare most of the files that pass `gate` the analysis, or most of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ahocorasick_rs import BytesAhoCorasick

from flake8_forksafe import gate
from flake8_forksafe.model.walking import last_name
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.scopes import Function, ScopeTable

#: Methods and functions by which a thread or process starts; a pool or manager starts when it is made.
_STARTING = frozenset(
    {"start", "start_new_thread", "Pool", "Manager", "SyncManager", "ProcessPoolExecutor"}
    | {"submit", "map", "apply", "apply_async", "imap", "imap_unordered", "map_async", "starmap", "starmap_async"}
)


#: How many arguments `subprocess.Popen` takes by position up to `preexec_fn`.
_HOOK_POSITION = 7


@lru_cache(maxsize=1)  # two rules ask it of the same file, one after the other
def may_start_at_import(tree: ast.Module) -> bool:
    """Whether code outside of functions calls what starts a thread or process, or a function of the module."""
    code = _ImportTimeCode(tree)
    return code.starts or not code.called.isdisjoint(code.defined)


def may_start_live_at_import(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether code outside of functions calls what starts a thread or process, or a live function of the module."""
    code = _ImportTimeCode(scopes.module.node)
    names = {function.name for function in live} | {function.owner.name for function in live if function.owner}
    return code.starts or not code.called.isdisjoint(names)


def may_give_hook(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether the module spells `preexec_fn`, or a live function gives as many arguments as it takes by position."""
    return "preexec_fn" in scopes.spelled or any(
        len(call.args) >= _HOOK_POSITION or any(isinstance(argument, ast.Starred) for argument in call.args)
        for function in live
        for call in function.calls
    )


class _ImportTimeCode:
    """What the code outside of functions does.

    Attributes:
        starts: whether it calls, or gives another name to, something that starts a thread or process.
        called: the last names of what it calls or decorates with, and of what it gives other names to.
        defined: the functions and classes of the module.
    """

    def __init__(self, tree: ast.AST) -> None:
        self.called: set[str] = set()
        self.defined: set[str] = set()
        starting = set(_STARTING)
        self.starts = False
        stack: list[ast.AST] = list(ast.iter_child_nodes(tree))
        while stack:
            node = stack.pop()
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                    self.called.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self.defined.add(name)
                    self.called.update(map(_decorating, node.decorator_list))
                    continue
                case ast.ClassDef(name=name):
                    self.defined.add(name)
                    self.called.update(map(_decorating, node.decorator_list))
                case ast.Lambda():
                    continue
                case ast.alias(name=name, asname=str(other)) if name in _STARTING:
                    starting.add(other)
                case ast.Assign(value=ast.Name(id=name) | ast.Attribute(attr=name)):
                    self.called.add(name)
                    self.starts = self.starts or name in _STARTING
                case _:
                    pass
            stack.extend(ast.iter_child_nodes(node))
        self.starts = self.starts or not self.called.isdisjoint(starting)


def _decorating(node: ast.expr) -> str:
    """The last name of a decorator, called or not."""
    return last_name(node.func if isinstance(node, ast.Call) else node)


class WordSearch:
    """Which words occur in the bytes of one file; each word is searched for once.

    Words that are rare in Python are searched for together, in one pass; the search for a common one ends early.

    Arguments:
        data: the file in UTF-8.
        extra: words the user's settings add. Code that uses one of them counts as using any trigger, because a
            callable the user names stands for a call that the rules would otherwise know by its own name.
    """

    __slots__ = ("_data", "_extra", "_found")

    def __init__(self, data: bytes, extra: Iterable[str] = ()) -> None:
        self._data = data
        self._found = dict.fromkeys(_RARE, False)
        for index, _, _ in _rare_words().find_matches_as_indexes(data, overlapping=True):
            self._found[_RARE[index]] = True
        self._extra = any(self._occurs(word) for word in extra)

    def _occurs(self, word: str) -> bool:
        found = self._found.get(word)
        if found is None:
            found = self._found[word] = word.encode() in self._data
        return found

    def any_of(self, group: Iterable[str]) -> bool:
        """Return whether at least one word of `group` occurs."""
        return self._extra or any(map(self._occurs, group))

    def passes(self, triggers: Sequence[Sequence[str]]) -> bool:
        """Return whether every group of `triggers` has a word that occurs."""
        return all(map(self.any_of, triggers))


#: Words of triggers that few files have.
_RARE = (
    *dict.fromkeys((*gate.WORDS, *words.FORK_TEXTS, *words.PROCESS_TEXTS, *words.THREAD_TEXTS)),
    *("threading", "_thread", "ProcessPoolExecutor", "PIPE", "Popen", "create_subprocess"),
    *("terminate", "SIGTERM", "send_signal", "returncode", "__del__"),
    *("SIGCHLD", "SIGCLD", "waitpid", "waitid", ".wait3", ".wait4", "os.wait", "pipe(", ".pipe", "= pipe"),
    *("readline", "Semaphore", "Condition", "from os import"),
)


@cache
def _rare_words() -> BytesAhoCorasick:
    return BytesAhoCorasick([word.encode() for word in _RARE])
