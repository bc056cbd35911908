"""The fine nets, which spare most of the files that pass `gate` the analysis, or most of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from flake8_forksafe import gate
from flake8_forksafe.identifiers import IdentifierSearch
from flake8_forksafe.model.walking import last_name, walk
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.scopes import Function, ScopeTable
    from flake8_forksafe.outline import Outline
    from flake8_forksafe.rule import Rule

#: How many arguments `subprocess.Popen` takes by position up to `preexec_fn`.
_HOOK_POSITION = 7
#: At which place the methods that wait for a child take the time limit.
_LIMIT_POSITIONS = {"wait": 0, "communicate": 1}


def may_start_thread_at_import(outline: Outline) -> bool:
    """Whether code outside of functions spells what starts a thread."""
    return outline.spells_outside(words.STARTING_THREAD)


def may_start_process_at_import(outline: Outline) -> bool:
    """Whether code outside of functions spells what starts a process, or uses a function or class of the module."""
    return outline.spells_outside(words.STARTING_PROCESS) or bool(outline.used_outside)


def may_start_made_process_at_import(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether code outside of functions spells what starts a process, or uses a live function that returns a thing."""
    spelled = _spelled_at_import(scopes.module.node)
    makers = {function.name for function in live if function.returns or function.yields}
    return not spelled.isdisjoint(words.STARTING_PROCESS) or not spelled.isdisjoint(makers)


def may_give_hook(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether the module spells `preexec_fn`, or a live function gives as many arguments as it takes by position."""
    return "preexec_fn" in scopes.spelled or any(
        len(call.args) >= _HOOK_POSITION or any(isinstance(argument, ast.Starred) for argument in call.args)
        for function in live
        for call in function.calls
    )


def may_use_pipes(_scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether a live function may do more with a child that has pipes than to communicate with it."""
    return any(function.uses_streams or not words.WAIT_OR_REFLECT.isdisjoint(function.words) for function in live)


def may_neglect_pipes(scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether that is so, or a live function makes a child that it does not plainly communicate with."""
    return may_use_pipes(scopes, live) or any(map(_may_neglect_child, live))


def may_time_out(_scopes: ScopeTable, live: Sequence[Function]) -> bool:
    """Whether a live function may wait for a child with a time limit: by name, by place, or through an alias."""
    return any(map(_may_time_out, live))


def _may_time_out(function: Function) -> bool:
    if not words.TIME_LIMIT.isdisjoint(function.words | function.other_words):
        return True
    if function.words.isdisjoint(_LIMIT_POSITIONS):
        return False
    named = [(last_name(call.func), call) for call in function.calls]
    waits = [(name, call) for name, call in named if name in _LIMIT_POSITIONS]
    mentions = sum(isinstance(n, ast.Attribute) and n.attr in _LIMIT_POSITIONS for n in walk(function.node))
    return mentions > len(waits) or any(len(call.args) > _LIMIT_POSITIONS[name] for name, call in waits)


def _may_neglect_child(function: Function) -> bool:
    """Whether `function` makes a child but for `Popen(…).communicate()` or `child = Popen(…)` with that later."""
    if words.POPEN.isdisjoint(function.words | function.other_words):
        return False
    makers = plain = 0
    bound: list[str] = []
    talks: set[str] = set()
    for node in walk(function.node):
        match node:
            case ast.Attribute(attr="communicate", value=child):
                plain += _makes_child(child)
                talks.add(last_name(child))
            case ast.Assign(targets=[ast.Name(id=name)], value=child) if _makes_child(child):
                bound.append(name)
            case ast.withitem(optional_vars=ast.Name(id=name), context_expr=child) if _makes_child(child):
                bound.append(name)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)) if name in words.POPEN:
                makers += 1
            case _:
                continue
    imports = (b for bs in function.names.values() for b in bs if b.imported.rpartition(".")[2] in words.POPEN)
    return (
        makers > plain + len(bound)
        or len(bound) > len(set(bound))
        or not talks.issuperset(bound)
        or any(b.imported.rpartition(".")[2] not in function.names for b in imports)
    )


def _makes_child(node: ast.expr) -> bool:
    if isinstance(node, ast.Await):
        node = node.value
    return isinstance(node, ast.Call) and last_name(node.func) in words.POPEN


def _spelled_at_import(tree: ast.AST) -> set[str]:
    """The names and attributes in the code that importing a module runs, and what an import there gives other names.

    That code is not that of functions, nor what stands under a main guard.
    """
    spelled: set[str] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                spelled.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                stack.extend(node.decorator_list)
                continue
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
    return spelled


class WordSearch:
    """Which words occur in the bytes of one file; each word is searched for once.

    Words that are rare in Python are searched for together, in one pass; the search for a common one ends early.

    Arguments:
        data: the file in UTF-8.
        extra: words the user's settings add. Code that uses one of them counts as using any trigger, because a
            callable the user names stands for a call that the rules would otherwise know by its own name.
    """

    __slots__ = ("_any", "_data", "_found", "_searched")

    def __init__(self, data: bytes, extra: Iterable[str] = ()) -> None:
        self._data = data
        met = {(index, data[end : end + 1]) for index, _, end in _rare_words().find_matches_as_indexes(data)}
        self._found = set[str]().union(*(_part_of(index) for index, _ in met))
        self._searched = set(_RARE).difference(*(_hidden_by(index, behind) for index, behind in met))
        self._any = any(word.encode() in data for word in extra)

    def passes(self, triggers: Sequence[Sequence[str]]) -> bool:
        """Return whether at least one word occurs of every group of `triggers`."""
        if self._any:
            return True
        for group in triggers:
            if self._found.isdisjoint(group) and (self._searched.issuperset(group) or not self._finds(group)):
                return False
        return True

    def _finds(self, group: Sequence[str]) -> bool:
        """Search for the words of `group` that have not been searched for, up to the first that occurs."""
        for word in group:
            if word not in self._searched:
                self._searched.add(word)
                if word.encode() in self._data:
                    self._found.add(word)
                    return True
        return False


#: Words of triggers that few files have.
_RARE = (
    *dict.fromkeys((*gate.WORDS, *words.FORK_TEXTS, *words.PROCESS_TEXTS, *words.THREAD_TEXTS)),
    *("threading", "_thread", "ProcessPoolExecutor", "PIPE", "Popen", "create_subprocess"),
    *("terminate", "SIGTERM", "send_signal", "returncode", "__del__"),
    *("SIGCHLD", "SIGCLD", "waitpid", "waitid", ".wait3", ".wait4", "os.wait", "pipe(", ".pipe", "= pipe"),
    *("readline", "Semaphore", "Condition", "from os import"),
    *(".start", "async def", "shell", "Process", "Pool", "Queue", "Lock", "lock(", "kill", "Timeout"),
)


@cache
def _rare_words() -> BytesAhoCorasick:
    patterns = [word.encode() for word in _RARE]  # few enough for the vectorised search, as in `gate`
    return BytesAhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest, implementation=Implementation.ContiguousNFA)


@cache
def _part_of(met: int) -> list[str]:
    return [word for word in _RARE if word in _RARE[met]]


@cache
def _hidden_by(met: int, behind: bytes) -> list[str]:
    """The words that may begin within a word that was met before `behind`: a search that goes on there misses them."""
    seen = _RARE[met] + behind.decode("latin-1")
    ends = [seen[begin:] for begin in range(1, len(_RARE[met]))]
    return [word for word in _RARE if word not in _RARE[met] and any(map(word.startswith, ends))]


@lru_cache(maxsize=64)
def names_of(rules: tuple[Rule, ...]) -> IdentifierSearch:
    """Return the search for all that some of `rules` can do nothing without; see `Rule.names`."""
    return IdentifierSearch(frozenset[str]().union(*(group for rule in rules for group in rule.names)))
