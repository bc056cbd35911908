"""Which functions of a module can do something to a resource; events are looked for in no others.

Words are spelled, not resolved, so the answer may be too wide. A word is *telling* if it names what makes a resource
(`Popen`, `fork`), or something that may hold one: an attribute, global, class or function that a function with a
telling word gives a value made of it. A function is live if it spells a telling word, is given something made of one,
or calls a live function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Function, Mutation, ScopeTable
from flake8_forksafe.model.walking import children
from flake8_forksafe.stdlib.names import canonical


def live_functions(scopes: ScopeTable, makers: Iterable[str]) -> list[Function]:
    """Return the live functions in source order, the module's top level always first.

    Arguments:
        scopes: what the walk over the module found.
        makers: the identifiers of which one stands wherever a resource comes into the module.
    """
    return scopes.functions if scopes.star_imports else _Spread(scopes, set(makers)).run()


class _Spread:
    def __init__(self, scopes: ScopeTable, telling: set[str]) -> None:
        self._scopes = scopes
        self._telling = telling
        self._live: set[Function] = set()
        self._called: set[str] = set()
        self._local: dict[Function, set[str]] = {}
        self._words: dict[ast.AST, frozenset[str]] = {}
        self._work: list[Function] = []
        self._spelling: dict[str, list[Function]] = {}
        self._named: dict[str, list[Function]] = {}
        self._nested: dict[Function, list[Function]] = {}
        self._stores: dict[Function, list[tuple[str, Binding]]] = {}
        self._aliases: dict[str, set[str]] = {}
        self._mutations: dict[Function, list[Mutation]] = {}
        self._index()

    def _index(self) -> None:
        for function in self._scopes.functions:
            self._named.setdefault(function.name, []).append(function)
            if function.parent is not None:
                self._nested.setdefault(function.parent, []).append(function)
            for word in function.words:
                self._spelling.setdefault(word, []).append(function)
            for word in function.other_words - function.words:
                self._spelling.setdefault(word, []).append(function)
        for cls in self._scopes.classes:
            for group in (cls.attributes, cls.names):
                for name, bindings in group.items():
                    for binding in bindings:
                        self._stores.setdefault(binding.function, []).append((name, binding))
                        self._note_alias(name, binding)
            for name in ("__init__", "__new__"):
                if name in cls.methods:
                    self._named.setdefault(cls.name, []).append(cls.methods[name])
        for name, bindings in self._scopes.globals_written.items():
            for binding in bindings:
                self._stores.setdefault(binding.function, []).append((name, binding))
        for name, bindings in self._scopes.module.names.items():
            for binding in bindings:
                self._note_alias(name, binding)
        for mutation in self._scopes.mutations:
            self._mutations.setdefault(mutation.function, []).append(mutation)

    def _note_alias(self, name: str, binding: Binding) -> None:
        """Note the names that `name` may stand for: `run = in_child if CAN_FORK else in_thread`."""
        stack: list[ast.AST] = [] if binding.value is None else [binding.value]
        while stack:
            match stack.pop():
                case ast.Name(id=word) | ast.Attribute(attr=word):
                    self._aliases.setdefault(word, set()).add(name)
                case ast.IfExp() | ast.BoolOp() | ast.Dict() | ast.Tuple() | ast.List() as value:
                    stack.extend(children(value))
                case _:
                    continue

    def run(self) -> list[Function]:
        for function in self._scopes.functions:
            for name, bindings in function.names.items():
                if any(b.kind is BindingKind.IMPORT and self._is_maker(b.imported) for b in bindings):
                    self._telling.add(name)
        self._wake(self._scopes.module)
        for word in tuple(self._telling):
            self._wake_all(self._spelling.get(word, ()))
        told = True
        while told:
            told = False
            for cls in self._scopes.classes:
                if cls.name not in self._telling and self._is_telling_class(cls):
                    told = True
                    self._tell(cls.name)
                    self._wake_all(cls.methods.values())
            while self._work:
                self._spread(self._work.pop())
        return [function for function in self._scopes.functions if function in self._live]

    def _is_maker(self, dotted: str) -> bool:
        return not self._telling.isdisjoint((*dotted.split("."), *canonical(dotted).split(".")))

    def _is_telling_class(self, cls: Class) -> bool:
        return any(self._is_telling(base, frozenset()) for base in cls.node.bases)

    # -- waking ----------------------------------------------------------------------------------------------------

    def _wake(self, function: Function) -> None:
        """Make `function` live, and whatever calls it by name; look at it, again if need be."""
        if function not in self._live:
            self._live.add(function)
            self._call(function.name)
            if function.owner is not None and function.name.startswith("__"):
                self._call(function.owner.name)
        if function not in self._work:
            self._work.append(function)

    def _call(self, name: str) -> None:
        """Make live what calls a live function by `name`, or by another name that is given to it."""
        work = [name]
        while work:
            name = work.pop()
            if name not in self._called:
                self._called.add(name)
                self._wake_all(f for f in self._spelling.get(name, ()) if f not in self._live)
                work.extend(self._aliases.get(name, ()))

    def _wake_all(self, functions: Iterable[Function]) -> None:
        for function in functions:
            self._wake(function)

    def _tell(self, word: str) -> None:
        """Make `word` telling, and live what spells it."""
        if word and word not in self._telling:
            self._telling.add(word)
            self._wake_all(self._spelling.get(word, ()))

    def _taint(self, function: Function, names: set[str]) -> None:
        """Make `function` live, and note that `names` may hold a resource there."""
        local = self._local.setdefault(function, set())
        if function not in self._live or not names <= local:
            local |= names
            self._wake(function)

    # -- one function ----------------------------------------------------------------------------------------------

    def _spread(self, function: Function) -> None:
        """Follow what is made of telling words in a live function to where it is kept, given and returned."""
        local = self._local.setdefault(function, set())
        if not local and self._telling.isdisjoint(function.words | function.other_words):
            return
        self._follow_names(function, local)
        for name in function.outer_names & local:
            self._tell(name)
        for name, binding in self._stores.get(function, ()):
            if name not in self._telling and self._is_made_of_telling(binding, local):
                self._tell(name)
        for mutation in self._mutations.get(function, ()):
            if self._is_telling(mutation.value, local):
                for word in self._words_of(mutation.receiver):
                    if word in function.names:
                        local.add(word)
                    elif word != function.receiver:
                        self._tell(word)
        if any(self._is_telling(value, local) for value in (*function.returns, *function.yields)):
            self._tell(function.name)
        for call in function.calls:
            self._follow_arguments(call, local)
        for inner in self._nested.get(function, ()):
            if function.is_module and not isinstance(inner.node, ast.Lambda):
                continue  # what holds a resource there is telling everywhere
            self._taint(inner, local & inner.words)

    def _follow_names(self, function: Function, local: set[str]) -> None:
        changed = True
        while changed:
            changed = False
            for name, bindings in function.names.items():
                word = name.rpartition(".")[2]
                if word in local or (function.is_module and word in self._telling):
                    continue
                if any(self._is_made_of_telling(binding, local) for binding in bindings):
                    changed = True
                    local.add(word)
                    if function.is_module or "." in name:
                        self._tell(word)

    def _follow_arguments(self, call: ast.Call, local: set[str]) -> None:
        """Wake what a telling call is given to run, and taint the parameters of what is given a telling argument."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        telling = any(self._is_telling(argument, local) for argument in given)
        if not telling and not self._is_telling(call.func, local):
            return
        for node in (call.func, *given):
            target = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            for callee in self._named.get(target, ()):
                self._taint(callee, _given_names(callee) if telling else set())

    # -- words -----------------------------------------------------------------------------------------------------

    def _is_made_of_telling(self, binding: Binding, local: set[str]) -> bool:
        return any(e is not None and self._is_telling(e, local) for e in (binding.value, binding.annotation))

    def _is_telling(self, node: ast.AST, local: set[str] | frozenset[str]) -> bool:
        words = self._words_of(node)
        return not words.isdisjoint(self._telling) or not words.isdisjoint(local)

    def _words_of(self, node: ast.AST) -> frozenset[str]:
        known = self._words.get(node)
        if known is None:
            found: set[str] = set()
            stack = [node]
            while stack:
                part = stack.pop()
                match part:
                    case ast.Name(id=word):
                        found.add(word)
                    case ast.Attribute(attr=word):
                        found.add(word)
                        stack.append(part.value)
                    case ast.Constant(value=str(word)):
                        found.add(word)
                    case ast.keyword(arg=str(word)):
                        found.add(word)
                        stack.append(part.value)
                    case _:
                        stack.extend(children(part))
            known = self._words[node] = frozenset(found)
        return known


def _given_names(function: Function) -> set[str]:
    """The names of the parameters that a caller fills."""
    arguments = function.arguments
    rest = () if arguments is None else (arguments.vararg, arguments.kwarg, *arguments.kwonlyargs)
    return {a.arg for a in (*function.parameters(), *rest) if a is not None and a.arg != function.receiver}
