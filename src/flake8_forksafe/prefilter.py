"""The fine nets, which spare most of the files that pass `gate` the analysis, or most of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

from ahocorasick_rs import BytesAhoCorasick

from flake8_forksafe import gate
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.scopes import Function, ScopeTable

#: How many arguments `subprocess.Popen` takes by position up to `preexec_fn`.
_HOOK_POSITION = 7


def may_start_thread_at_import(tree: ast.Module) -> bool:
    """Whether code outside of functions spells what starts a thread."""
    return not _ImportTimeCode.of(tree).spelled.isdisjoint(words.STARTING_THREAD)


def may_start_process_at_import(tree: ast.Module) -> bool:
    """Whether code outside of functions spells what starts a process, or uses a function or class of the module."""
    code = _ImportTimeCode.of(tree)
    return not code.spelled.isdisjoint(words.STARTING_PROCESS) or not code.spelled.isdisjoint(code.defined)


def may_start_made_process_at_import(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether code outside of functions spells what starts a process, or uses a live function that returns a thing."""
    code = _ImportTimeCode.of(scopes.module.node)
    makers = {function.name for function in live if function.returns or function.yields}
    return not code.spelled.isdisjoint(words.STARTING_PROCESS) or not code.spelled.isdisjoint(makers)


def may_give_hook(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether the module spells `preexec_fn`, or a live function gives as many arguments as it takes by position."""
    return "preexec_fn" in scopes.spelled or any(
        len(call.args) >= _HOOK_POSITION or any(isinstance(argument, ast.Starred) for argument in call.args)
        for function in live
        for call in function.calls
    )


class _ImportTimeCode(NamedTuple):
    """What the code says that importing a module runs: not that of functions, nor that under a main guard.

    Attributes:
        spelled: the names and attributes in it, and what it gives other names by an import.
        defined: the functions and classes of the module.
    """

    spelled: set[str]
    defined: set[str]

    @classmethod
    @lru_cache(maxsize=1)  # two rules ask it of the same file, one after the other
    def of(cls, tree: ast.AST) -> Self:
        spelled: set[str] = set()
        defined: set[str] = set()
        stack: list[ast.AST] = [tree]
        while stack:
            node = stack.pop()
            match node:
                case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                    spelled.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    defined.add(name)
                    stack.extend(node.decorator_list)
                    continue
                case ast.ClassDef(name=name):
                    defined.add(name)
                case ast.alias(name=name, asname=str()):
                    spelled.add(name.rpartition(".")[2])
                case ast.Lambda():
                    continue
                case ast.If(
                    test=ast.Compare(left=ast.Name("__name__"), ops=[ast.Eq()], comparators=[ast.Constant("__main__")])
                ):
                    stack.extend(node.orelse)
                    continue
                case _:
                    pass
            stack.extend(ast.iter_child_nodes(node))
        return cls(spelled, defined)


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
