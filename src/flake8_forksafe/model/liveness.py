"""Which functions of a module can do something to a resource; events are looked for in no others.

Words are spelled, not resolved, so the answer may be too wide. A word is *telling* if it names what makes a resource
(`Popen`, `fork`), or something that may hold one: an attribute, global, class or function that a function with a
telling word gives a value made of it. A function is live if it spells a telling word, is given something made of one,
or calls a live function.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import partial

from flake8_forksafe.gate import last_names
from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Function, ScopeTable
from flake8_forksafe.model.walking import children, last_name
from flake8_forksafe.stdlib.calls import READING_METHODS
from flake8_forksafe.stdlib.names import canonical
from flake8_forksafe.stdlib.objects import COLLECTIONS, CONTEXT_MEMBERS, LOCK_WRAPPERS, TRANSPARENT
from flake8_forksafe.stdlib.subprocess import STREAMS

#: Functions and methods that may return what they are given, or something made of it; see `Evaluator.result`.
_PASSING = frozenset(
    last_names(TRANSPARENT | COLLECTIONS | LOCK_WRAPPERS)
    | {"enter_context", "enter_async_context", "run_until_complete", "create_task", "get", "pop", "setdefault"}
    | {
        "getattr",
        "partial",
        "cast",
        "next",
        "min",
        "max",
        "enumerate",
        "zip",
        "int",
        "getpgid",
        "wait_procs",
        "Process",
    }
    | {"fdopen", "open", "TextIOWrapper", "BufferedReader", "getreader", "cls", "__class__", "type"}
)
#: Methods whose result may be, or be made of, the object they are called on, or an element of it.
_RESULTS = frozenset(
    {"poll", "is_alive", "fileno", "detach", "accept", "children", "create_task", "run_until_complete"}
    | {"__enter__", "__aenter__", "__iter__"}
    | READING_METHODS
    | {"pop", "popleft", "popitem", "get", "get_nowait", "setdefault", "values", "items", "keys", "copy", "__next__"}
    | {"enter_context", "enter_async_context", "dict", "list", "Namespace"}
    | CONTEXT_MEMBERS
    | {name for text in (str, bytes) for name in dir(text) if not name.startswith("_")}  # of what was read
)
#: Attributes of handles, threads and pipes that are, or are made of, the object itself.
_MEMBERS = frozenset(
    {*STREAMS, "pid", "ident", "returncode", "exitcode", "sentinel", "buffer", "raw"}
    | {"wait", "communicate", "poll", "join", "terminate", "kill", "send_signal", "is_alive", "close", "cancel"}
    | {"start", "put", "put_nowait", "get", "get_nowait", "acquire", "release", "submit", "write", "writelines"}
    | {"set", "clear"}
    | READING_METHODS
    | {"__enter__", "__exit__", "__aenter__", "__aexit__", "run", "fileno", "detach", "append", "add", "pop", "remove"}
    | CONTEXT_MEMBERS
)


def live_functions(scopes: ScopeTable, makers: Iterable[str], settlers: frozenset[str] = frozenset()) -> list[Function]:
    """Return the live functions in source order, the module's top level always first.

    Of those that only call other live functions, `calls_only` names what they may call; each gets its `may_hold`.

    Arguments:
        scopes: what the walk over the module found.
        makers: the identifiers of which one stands wherever a resource comes into the module.
        settlers: other identifiers that make a function live which spells them.
    """
    if scopes.star_imports:
        scopes.wake_all()
        return scopes.functions
    return _Spread(scopes, set(makers), settlers).run()


class _Spread:
    def __init__(self, scopes: ScopeTable, telling: set[str], settlers: frozenset[str]) -> None:
        self._scopes = scopes
        self._telling = telling
        self._settlers = settlers
        self._live: set[Function] = set()
        self._acting: set[Function] = {scopes.module}
        self._called: set[str] = set()
        self._local: dict[Function, set[str]] = {}
        self._words: dict[ast.AST, frozenset[str]] = {}
        self._sources: dict[ast.AST, frozenset[str]] = {}
        self._imported: set[str] = set()
        self._filling: set[str] = set()  # functions that put something telling into what they are given
        self._passing = {*_PASSING, *(cls.name for cls in scopes.classes)}
        self._work: dict[Function, None] = {}  # the newest is looked at first
        self._spelling: dict[str, list[Function]] = {}
        self._named: dict[str, list[Function]] = {}
        self._nested: dict[Function, list[Function]] = {}
        self._aliases: dict[str, dict[str, None]] = {}
        self._learned = 0

    def _learn(self) -> None:
        """Take in the functions that the walk has found since the last time."""
        new = self._scopes.functions[self._learned :]
        self._learned += len(new)
        for function in new:
            self._named.setdefault(function.name, []).append(function)
            if function.owner is not None and function.name in {"__init__", "__new__"}:
                self._named.setdefault(function.owner.name, []).append(function)
            if function.parent is not None:
                self._nested.setdefault(function.parent, []).append(function)
            for word in function.words | function.other_words:
                self._spelling.setdefault(word, []).append(function)
        for function in new:
            self._note_bindings(function)
            words = function.words | function.other_words
            if function.name in self._telling:  # `__del__`: what it calls on its object matters
                self._taint(function, {function.receiver})
            elif not self._telling.isdisjoint(words) or not self._settlers.isdisjoint(words):
                self._wake(function)
            elif not self._called.isdisjoint(words):
                self._look_at(function)

    def _note_bindings(self, function: Function) -> None:
        for name, bindings in function.names.items():
            for binding in bindings:
                if binding.kind is BindingKind.IMPORT:
                    self._imported.add(name)
                    if self._is_maker(binding.imported):
                        self._tell(name)
                    if binding.imported.rpartition(".")[2] in _PASSING:
                        self._passing.add(name)
                if function.is_module:
                    self._note_alias(name, binding)
        for name, binding in function.stores:
            self._note_alias(name, binding)

    def _note_alias(self, name: str, binding: Binding) -> None:
        """Note the names that `name` may stand for: `run = in_child if CAN_FORK else in_thread`."""
        stack: list[ast.AST] = [] if binding.value is None else [binding.value]
        while stack:
            match stack.pop():
                case ast.Name(id=word) | ast.Attribute(attr=word):
                    self._aliases.setdefault(word, {})[name] = None
                case ast.IfExp() | ast.BoolOp() | ast.Dict() | ast.Tuple() | ast.List() as value:
                    stack.extend(children(value))
                case _:
                    continue

    def run(self) -> list[Function]:
        self._live.add(self._scopes.module)
        self._work[self._scopes.module] = None
        self._learn()
        asleep: list[Function] = []
        while self._work:
            while self._work:
                function = self._work.popitem()[0]
                if self._scopes.sleeping_block(function) is None:
                    self._spread(function)
                else:
                    asleep.append(function)
            if asleep:  # many at once: each text that is parsed has its price
                self._rouse(asleep)
                self._work.update(dict.fromkeys(asleep))
                asleep.clear()
            else:
                self._tell_classes()
        found = [function for function in self._scopes.functions if function in self._live]
        for function in found:
            if function not in self._acting:
                function.calls_only = frozenset(self._called)
            function.may_hold = partial(self._may_hold, self._local.get(function, set()))
        return found

    def _may_hold(self, local: set[str], node: ast.expr) -> bool:
        """Whether an expression of a function, in which `local` may hold a resource, may stand for what matters."""
        sources = self._sources_of(node)
        return self._is_any_telling(sources, local) or not sources.isdisjoint(self._called)

    def _rouse(self, asleep: list[Function]) -> None:
        """Have the bodies walked of functions that wait to be looked at."""
        self._scopes.wake(asleep)
        for function in asleep:
            self._note_bindings(function)
        self._learn()

    def _tell_classes(self) -> None:
        """Make telling the classes that derive from something telling, and live what they do."""
        for cls in self._scopes.classes:
            if cls.name not in self._telling and self._is_telling_class(cls):
                self._tell(cls.name)
                for method in cls.methods.values():
                    self._taint(method, {method.receiver})

    def _is_maker(self, dotted: str) -> bool:
        return not self._telling.isdisjoint((*dotted.split("."), *canonical(dotted).split(".")))

    def _is_telling_class(self, cls: Class) -> bool:
        return any(self._is_telling(base, frozenset()) for base in cls.node.bases)

    # -- waking ----------------------------------------------------------------------------------------------------

    def _wake(self, function: Function) -> None:
        """Make `function` live for more than what it calls; look at it, again if need be."""
        self._acting.add(function)
        self._look_at(function)
        self._work[function] = None

    def _look_at(self, function: Function) -> None:
        """Make `function` live, and whatever calls it by name."""
        if function not in self._live:
            self._live.add(function)
            self._work[function] = None
            self._call(function.name)
            if function.owner is not None and function.name.startswith("__"):
                self._call(function.owner.name)
            if function.owner is not None and function.name == "run":
                self._call("start")  # of an object that is a thread

    def _call(self, name: str) -> None:
        """Make live what calls a live function by `name`, or by another name that is given to it."""
        work = [name]
        while work:
            name = work.pop()
            if name not in self._called:
                self._called.add(name)
                for function in self._spelling.get(name, ()):
                    self._look_at(function)
                work.extend(self._aliases.get(name, ()))

    def _tell(self, word: str) -> None:
        """Make `word` telling, and live what spells it."""
        if word and word not in self._telling:
            self._telling.add(word)
            for function in self._spelling.get(word, ()):
                self._wake(function)

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
        known = -1
        while len(local) > known:
            known = len(local)
            self._follow_names(function, local)
            self._follow_mutations(function, local)
        for name in sorted(function.outer_names & local):
            self._tell(name)
        for name, binding in function.stores:
            if name not in self._telling and self._is_made_of_telling(binding, local):
                self._tell(name)
        if any(self._is_telling(value, local) for value in (*function.returns, *function.yields)):
            self._tell(function.name)
            if function.owner is not None and function.name.startswith("__"):
                self._tell(function.owner.name)
        for call in reversed(function.calls):  # the innermost first, so that nobody goes through them again
            self._sources_of(call.func)
            for argument in call.args:
                self._sources_of(argument)
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

    def _follow_mutations(self, function: Function, local: set[str]) -> None:
        """Follow what is put into containers, and into those that a called function fills."""
        filled = [m.receiver for m in function.mutations if self._is_telling(m.value, local)]
        for call in function.calls:
            if last_name(call.func) in self._filling:
                given = (*call.args, *(keyword.value for keyword in call.keywords))
                filled += (node for node in given if isinstance(node, ast.Name | ast.Attribute))
        for receiver in filled:
            for word in sorted(self._sources_of(receiver)):
                bindings = function.names.get(word)
                if bindings is None:
                    if word != function.receiver:
                        self._tell(word)
                    continue
                local.add(word)
                if _is_given(function, bindings[0]) and function.name not in self._filling:
                    self._filling.add(function.name)
                    self._tell(function.name)

    def _follow_arguments(self, call: ast.Call, local: set[str]) -> None:
        """Wake what a telling call is given to run, and taint the parameters of what is given a telling argument."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        telling = {argument for argument in given if self._is_telling(argument, local)}
        asked = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        if not telling and not self._is_telling(call.func, local) and not self._is_telling(asked, local):
            return
        for node in (call.func, *given):
            for callee in self._named.get(last_name(node), ()):
                if node is call.func:
                    self._taint(callee, _names_given(callee, call, telling))
                else:  # whoever calls it later may give it anything
                    self._taint(callee, _given_names(callee) if telling else set())
                if _is_in(node, local):
                    self._taint(callee, {callee.receiver})

    # -- words -----------------------------------------------------------------------------------------------------

    def _is_made_of_telling(self, binding: Binding, local: set[str]) -> bool:
        if binding.value is not None and self._is_telling(binding.value, local):
            return True
        return binding.annotation is not None and self._is_any_telling(self._words_of(binding.annotation), local)

    def _is_telling(self, node: ast.AST, local: set[str] | frozenset[str]) -> bool:
        return self._is_any_telling(self._sources_of(node), local)

    def _is_any_telling(self, words: frozenset[str], local: set[str] | frozenset[str]) -> bool:
        return not words.isdisjoint(self._telling) or not words.isdisjoint(local)

    def _sources_of(self, node: ast.AST) -> frozenset[str]:
        """The words of which one must be telling where the value of an expression is: not those that it only uses."""
        known = self._sources.get(node)
        return _gathered(node, self._sources, self._look_for_sources) if known is None else known

    def _look_for_sources(self, node: ast.AST, found: set[str]) -> Iterable[ast.AST]:
        match node:
            case ast.Name(id=word):
                found.add(word)
                around = self._scopes.comprehension_names.get(node)
                return () if around is None or around.value is None else (around.value,)
            case ast.Attribute(attr=word, value=base):
                found.add(word)
                return (base,) if word in _MEMBERS or (isinstance(base, ast.Name) and base.id in self._imported) else ()
            case ast.Call(func=ast.Name(id=word)):
                found.add(word)
                return self._handed_on(node, word)
            case ast.Call(func=ast.Attribute(attr=word, value=base)):
                found.add(word)
                given = self._handed_on(node, word)
                return (base, *given) if word in _RESULTS else given
            case ast.Lambda(body=body):
                found |= self._words_of(body)  # it does something to what it only uses
                return ()
            case ast.IfExp(body=body, orelse=orelse):
                return body, orelse
            case ast.BinOp(left=left, op=ast.BitOr() | ast.Mult(), right=right):
                return left, right
            case ast.Subscript(value=value):
                return (value,)  # what it holds, not what it is asked for
            case ast.BinOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.JoinedStr():
                return ()
            case _:
                return _look_for_words(node, found)

    def _handed_on(self, call: ast.Call, name: str) -> list[ast.AST]:
        """The arguments of which the result of a call by `name` may be made; text that is read may be worked on."""
        if name in self._passing:
            return [*call.args, *call.keywords]
        return [argument for argument in call.args if _reads(argument)]

    def _words_of(self, node: ast.AST) -> frozenset[str]:
        known = self._words.get(node)
        return _gathered(node, self._words, _look_for_words) if known is None else known


def _gathered(
    node: ast.AST, known: dict[ast.AST, frozenset[str]], look: Callable[[ast.AST, set[str]], Iterable[ast.AST]]
) -> frozenset[str]:
    """The words in `node`, put into `known`; `look` adds those of one node to a set and says where to go on."""
    found: set[str] = set()
    stack = [node]
    while stack:
        part = stack.pop()
        inner = known.get(part)
        if inner is None:
            stack += look(part, found)
        else:
            found |= inner
    words = known[node] = frozenset(found)
    return words


def _look_for_words(node: ast.AST, found: set[str]) -> Iterable[ast.AST]:
    match node:
        case ast.Name(id=word) | ast.Constant(value=str(word)):
            found.add(word)
            return ()
        case ast.Attribute(attr=word, value=value) | ast.keyword(arg=str(word), value=value):
            found.add(word)
            return (value,)
        case _:
            return children(node)


def _reads(node: ast.expr) -> bool:
    """Whether `node` is a call of a method that reads: what is made of that text is as empty as the text."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READING_METHODS


def _is_in(node: ast.expr, names: set[str]) -> bool:
    """Whether `node` is an attribute of one of `names`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names


def _is_given(function: Function, binding: Binding) -> bool:
    """Whether a binding is that of a parameter that holds an object of the caller's, not one that packs arguments."""
    if binding.kind is not BindingKind.PARAMETER:
        return False
    args = function.arguments
    return args is None or binding.statement not in {args.vararg, args.kwarg}


def _names_given(function: Function, call: ast.Call, values: set[ast.expr]) -> set[str]:
    """The names of the parameters of `function` that a call may fill with one of `values`, arguments of the call."""
    if not values:
        return set()
    args = function.arguments
    if args is None or function.decorators or any(isinstance(argument, ast.Starred) for argument in call.args):
        return _given_names(function)
    positional = [arg.arg for arg in function.parameters()]
    names: set[str] = set()
    for place, argument in enumerate(call.args):
        if argument in values:  # a method may be called through its object or through its class
            names.update(positional[place : place + (2 if function.owner is not None else 1)])
            if place + 1 >= len(positional) and args.vararg is not None:
                names.add(args.vararg.arg)
    known = {*positional, *(arg.arg for arg in args.kwonlyargs)}
    for keyword in call.keywords:
        if keyword.value in values:
            if keyword.arg is None:
                return _given_names(function)
            if keyword.arg in known:
                names.add(keyword.arg)
            elif args.kwarg is not None:
                names.add(args.kwarg.arg)
    return names - {function.receiver}


def _given_names(function: Function) -> set[str]:
    """The names of the parameters that a caller fills."""
    parameters = {name for name, bindings in function.names.items() if bindings[0].kind is BindingKind.PARAMETER}
    return parameters - {function.receiver}
