"""What expressions stand for: import-true names, reaching definitions, attributes class-wide, calls into the module.

Evaluation is lazy, remembered, and never guesses: what cannot be followed is `UNKNOWN`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from flake8_forksafe.model.cfg import Graph, GraphBuilder, Node, NodeKind
from flake8_forksafe.model.reach import Reach
from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Condition, Function, Mutation, ScopeTable
from flake8_forksafe.model.values import (
    NONE,
    NOTHING,
    UNKNOWN,
    ClassReference,
    Collection,
    Constant,
    Derived,
    Descriptor,
    External,
    FunctionReference,
    Handle,
    HandlePart,
    Instance,
    Method,
    Parameter,
    Partial,
    Pipe,
    ReadResult,
    Resource,
    ResourceKind,
    Unknown,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.model.walking import last_name
from flake8_forksafe.records import dataclass
from flake8_forksafe.settings import Settings
from flake8_forksafe.stdlib import multiprocessing as mp
from flake8_forksafe.stdlib.calls import CONVERSIONS, EXITS_AT_ONCE, RAISES_SYSTEM_EXIT
from flake8_forksafe.stdlib.names import STANDARD_MODULES, canonical
from flake8_forksafe.stdlib.objects import (
    COLLECTIONS,
    CONSTRUCTORS,
    CONTEXT_MEMBERS,
    LOCK_WRAPPERS,
    TRANSPARENT,
    TRANSPARENT_DECORATORS,
)
from flake8_forksafe.stdlib.subprocess import HANDLE_TYPES, SPAWNERS, STREAMS, Family

Context = tuple[ast.Call, ...]
_UNKNOWN: Values = frozenset({UNKNOWN})
_DEPTH = 48
_CONTEXT_DEPTH = 3
_CALL_SITES = 12
#: Expressions that never stand for a resource.
_UNFOLLOWED = frozenset({ast.JoinedStr, ast.FormattedValue, ast.Slice, ast.Yield, ast.YieldFrom})
#: How many collections one question may open: lists that are extended by each other have very many ways through them.
_OPENED_COLLECTIONS = 400
#: How many collections one expression may stand for; of more of them nothing is known.
_MANY_COLLECTIONS = 100
#: How many functions deep the question goes whether a call ever returns.
_GRAPHS_UNDER_WAY = 20
_TYPE_WRAPPERS = frozenset({"Optional", "Final", "ClassVar", "Annotated", "Union"})
#: Callables that take a function and, right behind it, its arguments as one tuple.
_PACKED = frozenset({"Timer", "start_new_thread", "start_new", "apply_async", "apply"})
#: Methods of collections that return one of the things in it.
_GIVING_OUT = frozenset({"get", "pop", "popleft", "setdefault"})
#: How the analysis reads questions about the platform: as a POSIX system that is no particular one.
_NOT_POSIX = frozenset({"win32", "nt", "Windows", "cygwin", "java", "ce"})
_POSIX = frozenset({"posix"})
#: Functions of `os` that every POSIX system has and no other.
_POSIX_ONLY = frozenset({"fork", "forkpty", "setsid", "setpgid", "killpg", "getpgid", "getuid", "register_at_fork"})


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """One argument as a call receives it.

    `node` is where it is written: the keyword, the dict item, the positional expression. `condition` is the innermost
    test under which it is given at all.
    """

    value: ast.expr
    function: Function
    context: Context
    node: ast.AST
    condition: Condition | None = None


@dataclass(slots=True, eq=False)
class Arguments:
    """All arguments of a call by parameter name.

    `rest` are the positional ones without a name. `open` tells that more may come from out of sight, `rest_open` that
    more positional ones may.
    """

    named: dict[str, list[Argument]] = field(default_factory=dict)
    rest: list[Argument] = field(default_factory=list)
    open: bool = False
    rest_open: bool = False

    def add(self, name: str, argument: Argument) -> None:
        """Note one more possible value of `name`."""
        self.named.setdefault(name, []).append(argument)

    def merge(self, other: Arguments) -> None:
        """Add everything that `other` may give."""
        for name, values in other.named.items():
            self.named.setdefault(name, []).extend(values)
        self.open = self.open or other.open

    def get(self, name: str) -> list[Argument]:
        """What may be given for `name`; empty if nothing in sight."""
        return self.named.get(name, [])


#: A function that spells none of these comes to its end.
_NEVER_RETURNING = frozenset({"raise", "while"} | {n.rpartition(".")[2] for n in EXITS_AT_ONCE | RAISES_SYSTEM_EXIT})


class Invocation(NamedTuple):
    """A place where a function of the module is called, now or later.

    `shift` is the index in `call.args` of the function's first own argument; `packed` tells that the arguments come
    as one tuple in that position or in the keyword `args` (`Thread(target=f, args=(…))`).
    """

    call: ast.Call
    function: Function
    direct: bool


@lru_cache(maxsize=128)
def _out_of_sight(name: str) -> Values:
    """What the dotted `name` of something outside the module stands for."""
    return frozenset({External(canonical(name))})


class _Definitions(NamedTuple):
    """Which bindings of one name reach which step; sets of them are numbers with a bit for each.

    Attributes:
        bindings: all of the name, in the order in which they were found; bit `n` stands for the one before `n`.
        before: what may be in force when a step begins; `_UNBOUND` stands for the function's entry.
        foreign: those that other functions make, at a time that nothing tells.
    """

    bindings: list[Binding]
    before: dict[Node, int]
    foreign: int

    def of(self, numbers: int) -> list[Binding]:
        """The bindings that `numbers` stands for, in order."""
        found: list[Binding] = []
        numbers &= ~_UNBOUND
        while numbers:
            lowest = numbers & -numbers
            found.append(self.bindings[lowest.bit_length() - 2])
            numbers -= lowest
        return found


_UNBOUND = 1


class Evaluator:
    """Answers what an expression of one module stands for."""

    def __init__(self, scopes: ScopeTable, settings: Settings) -> None:
        """Prepare for the module described by `scopes`."""
        self.scopes = scopes
        self.settings = settings
        self.reach = Reach(self)
        self._values: dict[tuple[ast.AST, Node | None, Context], Values] = {}
        self._attributes: dict[tuple[Class, str], Values] = {}
        self._graphs: dict[Function, Graph] = {}
        self._items: dict[Function, dict[ast.AST, list[Node]]] = {}
        self._located: dict[Function, dict[ast.AST, list[Node]]] = {}
        self._owners: dict[Node, Function] = {}
        self._reaching: dict[tuple[Function, str], _Definitions] = {}
        self._below: dict[Class, list[Class]] | None = None
        self._families: dict[Class, tuple[Class, ...]] = {}
        self._invocations: dict[Function, list[Invocation]] = {}
        self._callers_by_name: dict[str, list[tuple[ast.Call, bool]]] = {}
        self._calls_indexed = 0
        self._mutations: dict[Collection, list[Mutation]] = {}
        self._mutations_indexed = 0
        self._never: dict[Function, bool] = {}
        self._graphs_under_way = 0
        self._plain_returns: dict[Function, Values] = {}
        self._depth = 0
        self._busy: set[object] = set()
        self._open_collections = 0
        self._opened_collections = 0

    # -- graphs ----------------------------------------------------------------------------------------------------

    def graph(self, function: Function) -> Graph:
        """The control-flow graph of `function`, built when first asked for."""
        graph = self._graphs.get(function)
        if graph is None:
            self.scopes.wake((function,))
            never = lambda call: self.never_returns(call, function)  # noqa: E731  (needs `function`)
            suppresses = lambda item: self._suppresses(item, function)  # noqa: E731
            graph = self._graphs[function] = GraphBuilder(never, suppresses).build(function.node)
            self._owners.update(dict.fromkeys(graph.nodes, function))
        return graph

    def dissolve(self) -> None:
        """Cut the ties that go round; see `ScopeTable.dissolve`."""
        vars(self.reach).clear()
        for graph in self._graphs.values():
            for node in graph.nodes:
                node.successors.clear()
                node.raises.clear()

    def function_of_step(self, step: Node) -> Function:
        """The function whose graph holds `step`."""
        return self._owners[step]

    def locate(self, function: Function, node: ast.AST) -> list[Node]:
        """The graph nodes that evaluate `node`: one, or one per copy of the `finally` it stands in."""
        steps = self._steps_of_items(function).get(node)
        if steps is not None:
            return steps
        located = self._located.get(function)
        if located is None:
            located = self._located[function] = {}
            for step in self.graph(function).nodes:
                for part in step.parts:
                    if isinstance(part, ast.expr):
                        located.setdefault(part, []).append(step)
        return located.get(node, [])

    def _steps_of_items(self, function: Function) -> dict[ast.AST, list[Node]]:
        """The graph nodes by the statement, test or header they stand for; most questions are answered by it."""
        items = self._items.get(function)
        if items is None:
            items = self._items[function] = {}
            for step in self.graph(function).nodes:
                if step.item is not None and step.kind is not NodeKind.ASSUME:
                    items.setdefault(step.item, []).append(step)
        return items

    def never_returns(self, call: ast.Call, function: Function) -> str:
        """`"exit"` if the call ends the process, `"leave"` if it raises SystemExit, `"raise"` if it never returns."""
        if not isinstance(call.func, ast.Name | ast.Attribute):
            return ""
        for value in in_order(self._callee_without_flow(call.func, function)):
            match value:
                case External(name) if name in EXITS_AT_ONCE:
                    return "exit"
                case External(name) if name in RAISES_SYSTEM_EXIT:
                    return "leave"
                case FunctionReference(inner) if self.function_never_returns(inner):
                    return "raise"
                case _:
                    continue
        return ""

    def function_never_returns(self, function: Function) -> bool:
        """Whether no path through `function` reaches its end."""
        block = self.scopes.sleeping_block(function)
        if block is not None:
            if _NEVER_RETURNING.isdisjoint(block.words):
                return False
            self.scopes.wake((function,))
        if function.is_async or function.is_generator or isinstance(function.node, ast.Lambda | ast.Module):
            return False
        known = self._never.get(function)
        if known is None:
            self._never[function] = False  # recursion comes back, unless shown otherwise
            if _may_never_return(function.node) and self._graphs_under_way < _GRAPHS_UNDER_WAY:
                self._graphs_under_way += 1
                graph = self.graph(function)
                self._graphs_under_way -= 1
                seen, stack = {graph.entry}, [graph.entry]
                while stack:
                    node = stack.pop()
                    for onward in (*node.successors, *node.raises):
                        if onward not in seen:
                            seen.add(onward)
                            stack.append(onward)
                self._never[function] = graph.exit not in seen
            known = self._never[function]
        return known

    def _callee_without_flow(self, func: ast.expr, function: Function) -> Values:
        """Resolve a callee while graphs are still being built: by names alone, no reaching definitions."""
        match func:
            case ast.Name(id=name):
                bindings = self._lookup(name, function)[1]
                if len(bindings) == 1 and bindings[0].kind in (BindingKind.IMPORT, BindingKind.DEFINITION):
                    return self.binding_values(bindings[0], ())
                if not bindings and hasattr(builtins, name):
                    return frozenset({External(f"builtins.{name}")})
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                if function.receiver == name and function.owner is not None:
                    method = self.find_method(function.owner, attr)
                    return frozenset({FunctionReference(method)}) if method is not None else NOTHING
                found = set()
                for value in self._callee_without_flow(ast.Name(name, ast.Load()), function):
                    if isinstance(value, External):
                        found.add(External(canonical(f"{value.name}.{attr}")))
                return frozenset(found)
            case _:
                pass
        return NOTHING

    def _suppresses(self, item: ast.withitem, function: Function) -> bool:
        match item.context_expr:
            case ast.Call(func=func):
                return any(
                    isinstance(v, External) and v.name in {"contextlib.suppress", "pytest.raises"}
                    for v in self._callee_without_flow(func, function)
                )
            case _:
                return False

    # -- names -----------------------------------------------------------------------------------------------------

    def _lookup(self, name: str, function: Function) -> tuple[Function | None, list[Binding]]:
        """The scope that binds `name` as seen from `function`, and its bindings there."""
        scope: Function | None = function
        while scope is not None:
            if scope.is_module:
                return scope, self.scopes.names_of_module(name)
            if name in scope.names and name not in scope.outer_names:
                return scope, scope.names[name]
            scope = scope.parent
        return None, []

    def name(self, node: ast.Name, function: Function, at: Node | None, context: Context) -> Values:
        """What a plain name stands for at a step of a function."""
        comprehension = self.scopes.comprehension_names.get(node)
        if comprehension is not None:
            assert comprehension.value is not None
            return self.project(self.iterate(comprehension.value, function, at, context), comprehension.path)
        enclosing = self.scopes.class_bodies.get(node)
        if enclosing is not None and node.id in enclosing.names:
            return frozenset(v for b in enclosing.names[node.id] for v in self.binding_values(b, ())) or _UNKNOWN
        scope, bindings = self._lookup(node.id, function)
        if not bindings:
            return self._builtin_or_star(node.id)
        if scope is function and len(bindings) > 1 and at is not None:
            definitions = self._definitions(function, node.id, bindings)
            bindings = definitions.of(definitions.before.get(at, 0) | definitions.foreign)
        elif scope is function and scope.is_module is False and scope.owner is not None and not bindings:
            return _UNKNOWN
        found: set[Value] = set()
        inner = context if scope is function else ()
        for binding in bindings:
            if inner and self.reach.excludes(binding.statement, function, inner):
                continue
            if len(bindings) > 1 and scope is function and self._is_set_elsewhere(binding):
                continue
            found |= self.binding_values(binding, inner)
        return frozenset(found) or _UNKNOWN

    def _is_set_elsewhere(self, binding: Binding) -> bool:
        """Whether a name gets a literal on another platform only: `if os.name == "nt": shell = True`.

        A handle or pipe that is made on such a branch still counts, for pipes fill everywhere.
        """
        return isinstance(binding.value, ast.Constant) and self.reach.excludes(binding.statement, binding.function, ())

    def _builtin_or_star(self, name: str) -> Values:
        for prefix in self.scopes.star_imports:
            dotted = canonical(f"{prefix}.{name}")
            if (
                dotted in SPAWNERS
                or dotted in CONSTRUCTORS
                or dotted
                in {"subprocess.PIPE", "subprocess.DEVNULL", "subprocess.STDOUT", "multiprocessing.Process", "os.fork"}
            ):
                return frozenset({External(dotted)})
        if hasattr(builtins, name):
            return frozenset({External(f"builtins.{name}")})
        return _UNKNOWN

    def _definitions(self, function: Function, key: str, bindings: list[Binding]) -> _Definitions:
        """Which of the bindings of `key` may be in force at each step of `function`."""
        known = self._reaching.get((function, key))
        if known is None:
            known = self._reaching[function, key] = self._solve_definitions(function, bindings)
        return known

    def _solve_definitions(self, function: Function, bindings: list[Binding]) -> _Definitions:
        made: dict[Node, int] = {}
        entry, foreign = _UNBOUND, 0
        for number, binding in enumerate(bindings, start=1):
            if binding.function is not function:
                foreign |= 1 << number
            elif binding.kind is BindingKind.PARAMETER:
                entry = 1 << number
            else:
                kept = binding.kind is BindingKind.AUGMENTED
                made.update(dict.fromkeys(self.definition_nodes(function, binding), 0 if kept else 1 << number))
        before: dict[Node, int] = {}
        coming = {self.graph(function).entry: entry}
        while coming:
            # The newest first, and handlers last: what many steps lead to is gone through once for all of them.
            node, reaching = coming.popitem()
            known = before.get(node, 0)
            if reaching | known == known:
                continue
            before[node] = reaching = reaching | known
            for onward in node.raises:
                coming[onward] = coming.get(onward, 0) | reaching
            after = made.get(node) or reaching
            for onward in node.successors:
                coming[onward] = coming.get(onward, 0) | after
        return _Definitions(bindings, before, foreign)

    def definition_nodes(self, function: Function, binding: Binding) -> list[Node]:
        """The steps at which `binding` takes effect."""
        nodes = self.locate(function, binding.statement)
        if binding.kind is BindingKind.ITERATE:
            return [n for n in nodes if n.kind is NodeKind.NEXT]
        if binding.kind is BindingKind.ENTER:
            return [n for n in nodes if n.kind is NodeKind.ENTER]
        return nodes

    def binding_values(self, binding: Binding, context: Context) -> Values:
        """What one binding gives its name."""
        function = binding.function
        match binding.kind:
            case BindingKind.IMPORT:
                return _out_of_sight(binding.imported)
            case BindingKind.DEFINITION:
                if isinstance(binding.definition, Class):
                    return frozenset({ClassReference(binding.definition)})
                assert binding.definition is not None
                return frozenset({FunctionReference(binding.definition)})
            case BindingKind.PARAMETER:
                assert isinstance(binding.statement, ast.arg)
                return self.parameter(function, binding.statement, context)
            case BindingKind.ASSIGN:
                assert binding.value is not None
                at = self._step_of(function, binding.statement)
                return self.project(self.eval(binding.value, function, at, context), binding.path)
            case BindingKind.ITERATE:
                assert binding.value is not None
                at = self._step_of(function, binding.statement)
                return self.iterate(binding.value, function, at, context, binding.path)
            case BindingKind.ENTER:
                assert binding.value is not None
                at = self._step_of(function, binding.statement)
                return self.project(self.entered(binding.value, function, at, context), binding.path)
            case _:
                return _UNKNOWN

    def _step_of(self, function: Function, statement: ast.AST) -> Node | None:
        if not self._needs_flow(function):
            return None
        nodes = self.locate(function, statement)
        return nodes[0] if nodes else None

    def _needs_flow(self, function: Function) -> bool:
        """Whether any name of `function` is bound twice, so that the order of statements matters."""
        return (
            function in self._graphs or any(len(b) > 1 for b in function.names.values()) or function.owner is not None
        )

    def parameter(self, function: Function, arg: ast.arg, context: Context) -> Values:
        """What a parameter may hold: by the call in `context`, else by default, annotation and the module's calls."""
        name = arg.arg
        if function.receiver == name and function.owner is not None:
            return self.self_value(function.owner)
        packs = function.arguments is not None and arg in {function.arguments.vararg, function.arguments.kwarg}
        if context and packs:
            return frozenset({Parameter(function, name)})  # an argument may have the name of a `**kwargs`
        if context:
            given = self.given(context[-1], function, context[:-1]).get(name)
            if given:
                found: set[Value] = set()
                for argument in given:
                    found |= self.eval(
                        argument.value, argument.function, self._step_of(argument.function, context[-1]), context[:-1]
                    )
                return frozenset(found)
            default = function.defaults().get(name)
            if default is not None:
                return self.eval(default, function.parent or function, None, ())
            return frozenset({Parameter(function, name)})
        values: set[Value] = {Parameter(function, name)}
        default = function.defaults().get(name)
        if default is not None:
            values |= self.eval(default, function.parent or function, None, ())
        for invocation in self.invocations(function):
            for way in self.given_in_the_end(invocation.call, function):
                for argument in way.get(name):
                    at = self._step_of(argument.function, invocation.call)
                    values |= {
                        v
                        for v in self.eval(argument.value, argument.function, at, ())
                        if not isinstance(v, Constant | Unknown | Parameter)
                    }
        if not any(isinstance(v, Handle) for v in values):
            family = self.annotated_family(arg.annotation, function)
            if family is not None:
                values.add(Handle(family, arg))
        return frozenset(values)

    def self_value(self, cls: Class) -> Values:
        """What `self` is in a class: an instance, and a handle or thread where the class is one."""
        made = self.instantiate(cls, cls.node, ())
        return frozenset({made, Instance(cls)})

    def annotated_family(self, annotation: ast.expr | None, function: Function) -> Family | None:
        """The family of handle that an annotation promises, through Optional, unions, quotes and subscripts."""
        match annotation:
            case None:
                return None
            case ast.Constant(value=str(text)):
                try:
                    return self.annotated_family(ast.parse(text, mode="eval").body, function)
                except SyntaxError:
                    return None
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.annotated_family(left, function) or self.annotated_family(right, function)
            case ast.Subscript(value=ast.Name(id=wrapper) | ast.Attribute(attr=wrapper), slice=inner) if (
                wrapper in _TYPE_WRAPPERS
            ):
                parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return next((f for p in parts if (f := self.annotated_family(p, function)) is not None), None)
            case ast.Subscript(value=base):
                return self.annotated_family(base, function)
            case ast.Name() | ast.Attribute():
                for value in in_order(self.eval(annotation, function, None, ())):
                    if isinstance(value, External) and value.name in HANDLE_TYPES:
                        return HANDLE_TYPES[value.name]
                    if isinstance(value, External) and value.name in mp.NAMED_PROCESSES:
                        return Family.MULTIPROCESSING
                    if isinstance(value, ClassReference):
                        made = self.instantiate(value.cls, value.cls.node, ())
                        if isinstance(made, Handle):
                            return made.family
                return None
            case _:
                return None

    # -- expressions -----------------------------------------------------------------------------------------------

    def eval(self, node: ast.expr, function: Function, at: Node | None, context: Context = ()) -> Values:
        """What `node` stands for in `function` at step `at`, when reached through the calls in `context`."""
        if node.__class__ in _UNFOLLOWED:
            return _UNKNOWN
        key = (node, at, context)
        known = self._values.get(key)
        if known is not None:
            return known
        if key in self._busy or self._depth > _DEPTH:
            return NOTHING
        self._busy.add(key)
        self._depth += 1
        try:
            values = _widened(self._eval(node, function, at, context))
        finally:
            self._depth -= 1
            self._busy.discard(key)
        if values or self._depth == 0 or not self._busy:
            self._values[key] = values
        return values

    def _eval(self, node: ast.expr, function: Function, at: Node | None, context: Context) -> Values:
        match node:
            case ast.Name():
                return self.name(node, function, at, context)
            case ast.Constant(value=value):
                return frozenset({Constant(value)})
            case ast.Attribute():
                return self.attribute(node, function, at, context)
            case ast.Call():
                return self.call(node, function, at, context)
            case ast.Await(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self.eval(value, function, at, context)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                truth = self.truth(test, function, at, context)
                return (NOTHING if truth is False else self.eval(body, function, at, context)) | (
                    NOTHING if truth is True else self.eval(orelse, function, at, context)
                )
            case ast.BoolOp(op=op, values=values):
                found: set[Value] = set()
                for value in values:
                    truth = self.reach.truth(value, function, context) if context else None
                    if truth is None or truth is isinstance(op, ast.Or) or value is values[-1]:
                        found |= self.eval(value, function, at, context)
                    if truth is isinstance(op, ast.Or):
                        break  # those behind it are never looked at
                return frozenset(found)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.eval(left, function, at, context) | self.eval(right, function, at, context)
            case (
                ast.BinOp(left=ast.List() as display, op=ast.Mult())
                | ast.BinOp(op=ast.Mult(), right=ast.List() as display)
            ):
                return frozenset({Collection(display, function, context)})  # `[None] * count`, to be filled in later
            case (
                ast.List()
                | ast.Tuple()
                | ast.Set()
                | ast.Dict()
                | ast.ListComp()
                | ast.SetComp()
                | ast.DictComp()
                | ast.GeneratorExp()
            ):
                return frozenset({Collection(node, function, context)})
            case ast.Lambda():
                return frozenset({FunctionReference(self.scopes.by_node[node])})
            case ast.Subscript(value=value, slice=index):
                return self.subscript(value, index, function, at, context)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
                return frozenset({Constant(-number)})
            case ast.UnaryOp(op=ast.Not()) | ast.Compare():
                truth = self.truth(node, function, at)
                return _UNKNOWN if truth is None else frozenset({Constant(truth)})
            case _:
                return _UNKNOWN

    def subscript(
        self, value: ast.expr, index: ast.expr, function: Function, at: Node | None, context: Context
    ) -> Values:
        """What `value[index]` holds: by position or key where both are literal, else any element."""
        bases = self.eval(value, function, at, context)
        match index:
            case ast.Constant(value=int(position)) if not isinstance(position, bool):
                return self.project(bases, (position,))
            case ast.Constant(value=str(key)):
                found: set[Value] = set()
                for base in in_order(bases):
                    if isinstance(base, Collection):
                        entries = self.entries(base)
                        for argument in entries.get(key):
                            found |= self.eval_argument(argument)
                    elif isinstance(base, External):
                        found.add(UNKNOWN)
                return frozenset(found) or self.elements(bases)
            case ast.Slice():
                return bases
            case _:
                return self.elements(bases)

    def eval_argument(self, argument: Argument) -> Values:
        """What an argument stands for where it is written."""
        return self.eval(argument.value, argument.function, self.step_of_argument(argument), argument.context)

    def step_of_argument(self, argument: Argument) -> Node | None:
        """The step that evaluates an argument, where the order of statements matters."""
        if not self._needs_flow(argument.function):
            return None
        for node in (argument.node, argument.value):
            found = self.locate(argument.function, node)
            if found:
                return found[0]
        return self._step_containing(argument.function, argument.value)

    def _step_containing(self, function: Function, expression: ast.expr) -> Node | None:
        steps = self.locate(function, expression)
        return steps[0] if steps else None

    # -- attributes ------------------------------------------------------------------------------------------------

    def attribute(self, node: ast.Attribute, function: Function, at: Node | None, context: Context) -> Values:
        """What `value.attr` stands for."""
        if isinstance(node.value, ast.Name):
            local = self._local_attribute(node, function, at, context)
            if local is not None:
                return local
        found: set[Value] = set()
        for value in in_order(self.eval(node.value, function, at, context)):
            found |= self.member(value, node.attr)
        return frozenset(found) or _UNKNOWN

    def _local_attribute(
        self, node: ast.Attribute, function: Function, at: Node | None, context: Context
    ) -> Values | None:
        """`self.x` as this very function left it; None when it may still hold what other methods put there."""
        assert isinstance(node.value, ast.Name)
        name = node.value.id
        if function.receiver == name and function.owner is not None:
            bindings = function.attributes.get(node.attr, [])
        else:
            bindings = function.names.get(f"{name}.{node.attr}", [])
        if not bindings or at is None:
            return None
        definitions = self._definitions(function, f"{name}.{node.attr}", bindings)
        numbers = definitions.before.get(at, 0)
        reaching = definitions.of(numbers)
        if not reaching or numbers & _UNBOUND or any(b.kind is BindingKind.ANNOTATION for b in reaching):
            return None
        found: set[Value] = set()
        for binding in reaching:
            if not (context and self.reach.excludes(binding.statement, function, context)):
                found |= self.binding_values(binding, context)
        return frozenset(found) or None

    def member(self, value: Value, attr: str) -> Values:
        """What attribute `attr` of a value is."""
        match value:
            case External(name):
                return _out_of_sight(f"{name}.{attr}")
            case Instance(cls) | ClassReference(cls):
                return self.class_attribute(cls, attr)
            case Handle(site=ast.ClassDef() as site) if self._defines(self.scopes.class_by_node[site], attr):
                return NOTHING  # the Instance beside it answers
            case Handle():
                return self._handle_member(value, attr)
            case Pipe():
                return frozenset({value if attr in {"buffer", "raw"} else Method(value, attr)})
            case ReadResult() if attr == "decode":
                return frozenset({Method(value, attr)})
            case Resource(cls=cls) if cls is not None and self._defines(cls, attr):
                return self.class_attribute(cls, attr)
            case Resource() | Descriptor():
                return frozenset({Method(value, attr)})
            case Derived(HandlePart.PSUTIL, handle) if attr == "pid":
                return frozenset({Derived(HandlePart.PID, handle)})
            case Derived():
                return frozenset({Method(value, attr)})
            case FunctionReference() | Partial():
                return _UNKNOWN
            case _:
                return _UNKNOWN

    def _handle_member(self, handle: Handle, attr: str) -> Values:
        if attr in STREAMS and handle.family in (Family.POPEN, Family.ASYNCIO):
            return frozenset({Pipe(handle, attr)})
        parts = {
            "pid": HandlePart.PID,
            "ident": HandlePart.PID,
            "returncode": HandlePart.POLL_RESULT,
            "exitcode": HandlePart.POLL_RESULT,
            "sentinel": HandlePart.SENTINEL,
        }
        if attr in parts:
            return frozenset({Derived(parts[attr], handle)})
        return frozenset({Method(handle, attr)})

    def _defines(self, cls: Class, attr: str) -> bool:
        self.scopes.wake_storing(attr)
        return any(attr in c.methods or attr in c.attributes or attr in c.names for c in self.family(cls))

    def find_method(self, cls: Class, name: str) -> Function | None:
        """The method `name` of a class or of its bases in the module."""
        for candidate in (cls, *self.bases(cls)):
            if name in candidate.methods:
                return candidate.methods[name]
        return None

    def bases(self, cls: Class) -> list[Class]:
        """The base classes in the module, nearest first."""
        found: list[Class] = []
        for base in cls.node.bases:
            for value in in_order(self.eval(base, cls.parent, None, ())):
                if isinstance(value, ClassReference) and value.cls is not cls and value.cls not in found:
                    found.append(value.cls)
                    found.extend(b for b in self.bases(value.cls) if b not in found)
            if len(found) > 50:
                break
        return found

    def family(self, cls: Class) -> tuple[Class, ...]:
        """The class with its bases and subclasses in the module: they share `self`."""
        known = self._families.get(cls)
        if known is None:
            self._families[cls] = (cls,)  # a class that derives from itself
            bases = self.bases(cls)
            below = [c for c in self._subclasses().get(cls, ()) if c is not cls and c not in bases]
            known = self._families[cls] = (cls, *bases, *below)
        return known

    def _subclasses(self) -> dict[Class, list[Class]]:
        """The classes below each class of the module, in source order; kept once no other question is open."""
        if self._below is not None:
            return self._below
        table: dict[Class, list[Class]] = {}
        for cls in self.scopes.classes:
            for base in self.bases(cls):
                table.setdefault(base, []).append(cls)
        if not self._busy:
            self._below = table
        return table

    def class_attribute(self, cls: Class, attr: str) -> Values:
        """What `self.attr` may hold, over every method of the class and its family in the module."""
        key = (cls, attr)
        known = self._attributes.get(key)
        if known is not None:
            return known
        if key in self._busy:
            return NOTHING
        self._busy.add(key)
        try:
            values = _widened(self._class_attribute(cls, attr))
        finally:
            self._busy.discard(key)
        self._attributes[key] = values
        return values

    def _class_attribute(self, cls: Class, attr: str) -> Values:
        self.scopes.wake_storing(attr)
        method = self.find_method(cls, attr)
        if method is not None:
            if any(
                isinstance(d, ast.Name | ast.Attribute) and ast.unparse(d).endswith("property")
                for d in method.decorators
            ):
                return self.returned(method, ())
            return frozenset({FunctionReference(method, Instance(cls))})
        found: set[Value] = set()
        annotation: tuple[ast.expr, Function] | None = None
        for relative in self.family(cls):
            for binding in (*relative.attributes.get(attr, ()), *relative.names.get(attr, ())):
                found |= self.binding_values(binding, ())
                if binding.annotation is not None:
                    annotation = (binding.annotation, binding.function)
            if attr in relative.methods and relative is not cls:
                found.add(FunctionReference(relative.methods[attr], Instance(cls)))
        if annotation is not None and not any(isinstance(v, Handle) for v in found):
            family = self.annotated_family(*annotation)
            if family is not None:
                found.add(Handle(family, annotation[0]))
        return frozenset(found) or _UNKNOWN

    # -- collections -----------------------------------------------------------------------------------------------

    def project(self, values: Values, path: tuple[int, ...]) -> Values:
        """Follow `path` into nested tuples."""
        for index in path:
            found: set[Value] = set()
            for value in in_order(values):
                match value:
                    case Collection(node=ast.Tuple(elts=elts) | ast.List(elts=elts)) if -len(elts) <= index < len(
                        elts
                    ) and not any(isinstance(e, ast.Starred) for e in elts):
                        at = (
                            self._step_containing(value.function, elts[index])
                            if self._needs_flow(value.function)
                            else None
                        )
                        found |= self.eval(elts[index], value.function, at, value.context)
                    case Collection():
                        found |= self.elements(frozenset({value}))
                    case Resource(name="socket.socketpair"):
                        found.add(value)
                    case Resource(name="socket.accept") if index == 0:
                        found.add(value)
                    case Derived(part=HandlePart.DESCENDANTS | HandlePart.PSUTIL):
                        found.add(value)
                    case Descriptor(end="both"):
                        found.add(Descriptor(value.site, "read" if index == 0 else "write"))
                    case Derived(HandlePart.PID, Handle(family=Family.FORK)) if index == 0:
                        found.add(value)  # os.forkpty() and pty.fork() return the pid and a descriptor
                    case _:
                        found.add(UNKNOWN)
            values = frozenset(found)
        return values

    def elements(self, values: Values) -> Values:
        """What the members of collections stand for (a dict's keys and values both)."""
        found: set[Value] = set()
        for value in in_order(values):
            if isinstance(value, Collection):
                found |= self._elements(value)
            elif isinstance(value, Derived) and value.part in (HandlePart.DESCENDANTS, HandlePart.PSUTIL):
                found.add(value)  # lists of psutil's processes stand for their members
            elif not isinstance(value, Constant):
                found.add(UNKNOWN)
        return frozenset(found)

    def _elements(self, collection: Collection) -> Values:
        key = ("elements", collection)
        if key in self._busy:
            return NOTHING
        self._opened_collections = self._opened_collections + 1 if self._open_collections else 0
        if self._opened_collections > _OPENED_COLLECTIONS:
            return _UNKNOWN
        self._busy.add(key)
        self._open_collections += 1
        try:
            found: set[Value] = set()
            function, context = collection.function, collection.context
            for expression, spread in self._written_elements(collection.node):
                at = self._step_containing(function, expression) if self._needs_flow(function) else None
                if spread:
                    found |= self.iterate(expression, function, at, context)
                else:
                    found |= self.eval(expression, function, at, context)
            for mutation in self.mutations_of(collection):
                at = self._step_of(mutation.function, mutation.node)
                if mutation.method in {"extend", "update"}:
                    found |= self.iterate(mutation.value, mutation.function, at, ())
                else:
                    found |= self.eval(mutation.value, mutation.function, at, ())
                    if (
                        mutation.method in {"setitem", "setdefault"}
                        and mutation.key is not None
                        and not isinstance(mutation.key, ast.Constant)
                    ):
                        found |= self.eval(mutation.key, mutation.function, at, ())
            return frozenset(found)
        finally:
            self._open_collections -= 1
            self._busy.discard(key)

    def _written_elements(self, node: ast.expr) -> Iterator[tuple[ast.expr, bool]]:
        match node:
            case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                yield from ((e.value, True) if isinstance(e, ast.Starred) else (e, False) for e in elts)
            case ast.Dict(keys=keys, values=values):
                yield from ((k, False) for k in keys if k is not None and not isinstance(k, ast.Constant))
                yield from zip(values, (k is None for k in keys), strict=True)
            case ast.ListComp(elt=elt) | ast.SetComp(elt=elt) | ast.GeneratorExp(elt=elt):
                yield elt, False
            case ast.DictComp(key=key, value=value):
                yield key, False
                yield value, False
            case ast.Call(args=[*_, last], keywords=keywords) if (
                isinstance(node.func, ast.Name) and node.func.id == "filter"
            ):
                yield last, True
                yield from ((k.value, k.arg is None) for k in keywords)
            case ast.Call(args=args, keywords=keywords):
                yield from ((a, True) for a in args)
                yield from ((k.value, k.arg is None) for k in keywords)
            case _:
                return

    def mutations_of(self, collection: Collection) -> list[Mutation]:
        """What the module puts into one collection after it is made."""
        new, self._mutations_indexed = self._mutations_indexed, len(self.scopes.mutations)
        for mutation in self.scopes.mutations[new:]:
            receiver = mutation.receiver
            while isinstance(receiver, ast.Subscript):
                receiver = receiver.value
            at = self._step_of(mutation.function, mutation.node)
            for value in self.eval(receiver, mutation.function, at, ()):
                if isinstance(value, Collection):
                    self._mutations.setdefault(value, []).append(mutation)
        return self._mutations.get(replace(collection, context=()), [])

    def iterate(
        self, node: ast.expr, function: Function, at: Node | None, context: Context, path: tuple[int, ...] = ()
    ) -> Values:
        """What a loop over `node` gives, with `items`, `enumerate` and `zip` looked through."""
        match node:
            case ast.Call(func=ast.Attribute(value=base, attr="values"), args=[]):
                return self.project(self.elements(self.eval(base, function, at, context)), path)
            case ast.Call(func=ast.Attribute(value=base, attr="keys"), args=[]):
                return self.project(self.elements(self.eval(base, function, at, context)), path)
            case ast.Call(func=ast.Attribute(value=base, attr="items"), args=[]):
                return self.project(self.elements(self.eval(base, function, at, context)), path[1:])
            case ast.Call(func=ast.Name(id="enumerate"), args=[first, *_]):
                return self.iterate(first, function, at, context, path[1:]) if path[:1] != (0,) else _UNKNOWN
            case ast.Call(func=ast.Name(id="zip"), args=args) if path and path[0] < len(args):
                return self.iterate(args[path[0]], function, at, context, path[1:])
            case ast.Call(func=ast.Name(id="iter"), args=[producer, _]):
                made = self.eval(producer, function, at, context)
                pipes = [m.receiver for m in made if isinstance(m, Method) and m.name in {"read", "readline"}]
                # The sentinel ends the loop in any case: an end that its body looks for as well is none to rely on.
                return frozenset(ReadResult(replace(p, wrapped=True)) for p in pipes if isinstance(p, Pipe)) or _UNKNOWN
            case ast.Call(
                func=ast.Name(id="list" | "tuple" | "sorted" | "reversed" | "set" | "iter"), args=[first, *_]
            ):
                return self.iterate(first, function, at, context, path)
            case _:
                return self.project(self.elements(self.eval(node, function, at, context)), path)

    def entered(self, node: ast.expr, function: Function, at: Node | None, context: Context) -> Values:
        """What `with node as x` binds to x."""
        found: set[Value] = set()
        for value in self.eval(node, function, at, context):
            found.add(value)
        if isinstance(node, ast.Call):
            for callee in in_order(self.eval(node.func, function, at, context)):
                if isinstance(callee, FunctionReference) and self._is_generator(callee.function):
                    found.discard(UNKNOWN)
                    inner = self.extend_context(context, node)
                    if inner is not None:
                        for expression in callee.function.yields:
                            if self.reach.excludes(expression, callee.function, inner):
                                continue
                            found |= self.eval(
                                expression, callee.function, self._step_containing(callee.function, expression), inner
                            )
        for value in in_order(frozenset(found)):
            if isinstance(value, Instance):
                enter = self.find_method(value.cls, "__enter__") or self.find_method(value.cls, "__aenter__")
                if enter is not None:
                    found |= {v for v in self.returned(enter, ()) if not isinstance(v, Unknown)}
        return frozenset(found)

    def _is_generator(self, function: Function) -> bool:
        self.scopes.wake((function,))
        return function.is_generator

    # -- dict entries and arguments -----------------------------------------------------------------------------------

    def entries(self, collection: Collection) -> Arguments:
        """The string keys of a dict and what they may hold; `open` when some cannot be seen."""
        arguments = Arguments()
        self._add_entries(collection, arguments, None)
        return arguments

    def _add_entries(self, collection: Collection, into: Arguments, condition: Condition | None) -> None:
        key = ("entries", collection)
        if key in self._busy:
            return
        self._busy.add(key)
        own = Arguments()
        function, context = collection.function, collection.context
        match collection.node:
            case ast.Dict(keys=keys, values=values):
                for name, value in zip(keys, values, strict=True):
                    if isinstance(name, ast.Constant) and isinstance(name.value, str):
                        own.named[name.value] = [Argument(value, function, context, name, condition)]
                    elif name is None:
                        self._add_spread(value, function, context, own, condition)
            case ast.Call(args=args, keywords=keywords):
                for arg in args:
                    self._add_spread(arg, function, context, own, condition)
                for keyword in keywords:
                    if keyword.arg is not None:
                        own.named[keyword.arg] = [Argument(keyword.value, function, context, keyword, condition)]
                    else:
                        self._add_spread(keyword.value, function, context, own, condition)
            case _:
                own.open = True
        for mutation in self.mutations_of(collection):
            if mutation.function is not function:
                self._add_mutation(mutation, own, replaces=False)  # nothing tells when another function does it
            elif not context or not self.reach.excludes(mutation.node, function, context):
                self._add_mutation(mutation, own)
        into.merge(own)
        self._busy.discard(key)

    def _add_mutation(self, mutation: Mutation, into: Arguments, *, replaces: bool = True) -> None:
        condition = self.scopes.conditions.get(mutation.node)
        match mutation:
            case Mutation(method="setdefault", key=ast.Constant(value=str(name))) if name in into.named:
                return
            case Mutation(method="setitem" | "setdefault", key=ast.Constant(value=str(name))):
                argument = Argument(mutation.value, mutation.function, (), mutation.node, condition)
                if condition is None and replaces:
                    into.named[name] = [argument]  # an assignment that always happens replaces what was there
                else:
                    into.add(name, argument)
            case Mutation(method="update"):
                self._add_spread(mutation.value, mutation.function, (), into, condition)
            case _:
                return

    def _add_spread(
        self, node: ast.expr, function: Function, context: Context, into: Arguments, condition: Condition | None
    ) -> None:
        """Add what `**node` gives."""
        at = self._step_containing(function, node) if self._needs_flow(function) else None
        if isinstance(node, ast.Dict):
            at = None
        for value in in_order(self.eval(node, function, at, context)):
            match value:
                case Collection(node=ast.Dict() | ast.Call()):
                    # A dict is what the name stands for only under the tests that it is made under.
                    made_under = self.scopes.conditions.get(value.node) if value.function is function else None
                    self._add_entries(value, into, made_under or condition)
                case Parameter(function=inner) if value.packs_keywords:
                    self._add_forwarded(inner, self._calls_of(inner, function, context), into)
                case Constant():
                    continue
                case _:
                    into.open = True

    def _add_forwarded(self, function: Function, context: Context, into: Arguments) -> None:
        """Add the keywords that the caller in `context` gives to a `**kwargs` parameter."""
        if not context:
            into.open = True
        else:
            given = self.given(context[-1], function, context[:-1])
            own = {
                a.arg for a in (*function.parameters(), *(function.arguments.kwonlyargs if function.arguments else []))
            }
            for name, arguments in given.named.items():
                if name not in own:
                    for argument in arguments:
                        into.add(name, argument)
            into.open = into.open or given.open
        kwarg = function.arguments.kwarg if function.arguments else None
        assert kwarg is not None
        for mutation in self.scopes.mutations:
            if (
                mutation.function is function
                and isinstance(mutation.receiver, ast.Name)
                and mutation.receiver.id == kwarg.arg
            ):
                self._add_mutation(mutation, into)

    def arguments(
        self, call: ast.Call, positions: Iterable[str], function: Function, context: Context, skip: int = 0
    ) -> Arguments:
        """The arguments of `call` by name: positions, keywords and `**` spreads, with what cannot be seen marked."""
        arguments = Arguments()
        names = list(positions)
        positional, complete = self._positional(call.args[skip:], function, context)
        arguments.open = not complete and len(positional) < len(names)
        arguments.rest_open = not complete
        for index, argument in enumerate(positional):
            if index < len(names):
                arguments.add(names[index], argument)
            else:
                arguments.rest.append(argument)
        for keyword in call.keywords:
            if keyword.arg is not None:
                arguments.add(keyword.arg, Argument(keyword.value, function, context, keyword))
            else:
                self._add_spread(keyword.value, function, context, arguments, None)
        return arguments

    def ways(self, call: ast.Call, positions: Iterable[str], function: Function) -> list[tuple[Context, Arguments]]:
        """The arguments of `call` as written or, where `*args` or `**kwargs` brings some, as each caller gives them."""
        names = tuple(positions)
        written = self.arguments(call, names, function, ())
        if not written.open and not written.rest_open:
            return [((), written)]
        contexts = [(i.call,) for i in self.invocations(function) if i.direct]
        return [(c, self.arguments(call, names, function, c)) for c in contexts] or [((), written)]

    def _positional(
        self, args: Iterable[ast.expr], function: Function, context: Context
    ) -> tuple[list[Argument], bool]:
        """The positional arguments as far as they can be counted, and whether those are all.

        `*args` of the function itself is what the caller in `context` gives beyond the named parameters.
        """
        found: list[Argument] = []
        vararg = function.arguments.vararg if function.arguments else None
        for arg in args:
            match arg:
                case ast.Starred(value=ast.Name(id=name)) if (
                    context and vararg is not None and vararg.arg == name and len(function.names[name]) == 1
                ):
                    given = self.given(context[-1], function, context[:-1])
                    found.extend(given.rest)
                    if given.rest_open:
                        return found, False
                case ast.Starred():
                    return found, False
                case _:
                    found.append(Argument(arg, function, context, arg))
        return found, True

    # -- calls -----------------------------------------------------------------------------------------------------

    def call(self, node: ast.Call, function: Function, at: Node | None, context: Context) -> Values:
        """What a call returns."""
        found = set(self._taken_out(node, function, at, context))
        if found:
            return frozenset(found)
        for callee in in_order(self.eval(node.func, function, at, context)):
            found |= self.result(callee, node, function, at, context)
        return frozenset(found) or _UNKNOWN

    def _taken_out(self, node: ast.Call, function: Function, at: Node | None, context: Context) -> Values:
        """What a method of a collection that the module makes gives out: `children.pop(name, None)`."""
        match node:
            case ast.Call(func=ast.Attribute(value=base, attr=method), args=given) if method in _GIVING_OUT:
                bases = self.eval(base, function, at, context)
                held = frozenset(v for v in bases if isinstance(v, Collection))
            case _:
                return NOTHING
        if not held:
            return self._taken_from_keywords(bases, given, function, at, context)
        key = given[0] if given else None
        by_name = isinstance(key, ast.Constant) and isinstance(key.value, str)
        found = self.subscript(base, key, function, at, context) if key is not None and by_name else self.elements(held)
        for default in given[1:]:
            found |= self.eval(default, function, at, context)
        return found | {NONE} if method == "get" and len(given) == 1 else found

    def _taken_from_keywords(
        self, bases: Values, given: list[ast.expr], function: Function, at: Node | None, context: Context
    ) -> Values:
        """What `kwargs.pop("stdout", default)` gives: what the caller in `context` gives, or the default."""
        match given:
            case [ast.Constant(value=str(name)), default]:
                packs = (v.function for v in in_order(bases) if isinstance(v, Parameter) and v.packs_keywords)
                inner = next(packs, None)
            case _:
                return NOTHING
        if inner is None:
            return NOTHING
        called_by = self._calls_of(inner, function, context)
        keywords = self.given(called_by[-1], inner, called_by[:-1]) if called_by else Arguments(open=True)
        found = {v for argument in keywords.get(name) for v in self.eval_argument(argument)}
        if not found:
            found |= self.eval(default, function, at, context)
            if keywords.open:
                found.add(UNKNOWN)
        return frozenset(found)

    def _calls_of(self, inner: Function, function: Function, context: Context) -> Context:
        """The calls that lead to `inner`, seen from `function` or from one that it gave its `**kwargs` to."""
        if inner is function:
            return context
        return context[:-1] if context and self.scopes.home[context[-1]] is inner else ()

    def result(self, callee: Value, node: ast.Call, function: Function, at: Node | None, context: Context) -> Values:
        """What calling `callee` by `node` returns."""
        match callee:
            case External(name):
                return self._external_result(name, node, function, at, context)
            case FunctionReference(function=inner):
                return self._function_result(inner, node, context)
            case ClassReference(cls):
                return frozenset({self.instantiate(cls, node, context)})
            case Partial(function=target, call=outer):
                return self.result(target, outer, function, at, context)
            case Method(receiver=receiver, name=name):
                return self._method_result(receiver, name, node, function, at, context)
            case Handle() | Instance():
                return frozenset({callee}) if not isinstance(callee, Instance) else _UNKNOWN
            case _:
                return _UNKNOWN

    def extend_context(self, context: Context, call: ast.Call) -> Context | None:
        """`context` with one more call, None when that would be too deep or go round in a circle."""
        if len(context) >= _CONTEXT_DEPTH or call in context:
            return None
        return (*context, call)

    def _function_result(self, inner: Function, node: ast.Call, context: Context) -> Values:
        deeper = self.extend_context(context, node)
        if deeper is None or any(not self._is_transparent(d, inner) for d in inner.decorators):
            return _UNKNOWN
        plain = self._plain_returns.get(inner)
        if plain is None:
            plain = self._plain_returns[inner] = self.returned(inner, ())
        if all(isinstance(v, Constant | Unknown) for v in plain) and (len(plain) < 2 or UNKNOWN in plain):
            return plain  # nothing in it can depend on the call
        return self.returned(inner, deeper)

    def _is_transparent(self, decorator: ast.expr, function: Function) -> bool:
        """Whether a decorated function still returns, at each call, what its body returns."""
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        values = self.eval(target, function.parent or self.scopes.module, None, ())
        return any(isinstance(v, External) and v.name in TRANSPARENT_DECORATORS for v in values)

    def returned(self, function: Function, context: Context) -> Values:
        """What a function of the module returns when reached through `context`."""
        key = ("returned", function)
        if key in self._busy:
            return NOTHING
        self._busy.add(key)
        self.scopes.wake((function,))
        try:
            found: set[Value] = set()
            for expression in function.returns:
                if context and self.reach.excludes(expression, function, context):
                    continue
                at = self._step_containing(function, expression) if self._needs_flow(function) else None
                found |= self.eval(expression, function, at, context)
            if not found and not isinstance(function.node, ast.Lambda | ast.Module):
                family = self.annotated_family(function.node.returns, function)
                if family is not None:
                    found.add(UNKNOWN)
            return frozenset(found) or frozenset({NONE})
        finally:
            self._busy.discard(key)

    def instantiate(self, cls: Class, site: ast.AST, context: Context) -> Value:
        """The object that a call of a module class makes: a handle, thread, timer … where it derives from one."""
        for kin in (cls, *self.bases(cls)):
            for base in kin.node.bases:
                derived = self.eval(base.value if isinstance(base, ast.Subscript) else base, kin.parent, None, ())
                for value in in_order(derived):
                    match value:
                        case External(name) if name in HANDLE_TYPES or name in SPAWNERS or name in mp.NAMED_PROCESSES:
                            family = (
                                SPAWNERS[name].family
                                if name in SPAWNERS
                                else HANDLE_TYPES.get(name, Family.MULTIPROCESSING)
                            )
                            return Handle(family, site, context)
                        case Method(receiver=Resource(kind=ResourceKind.CONTEXT), name="Process"):
                            return Handle(Family.MULTIPROCESSING, site, context)
                        case External(name) if name in CONSTRUCTORS:
                            return Resource(ResourceKind[CONSTRUCTORS[name]], site, name, cls)
                        case _:
                            continue
        return Instance(cls, site if isinstance(site, ast.Call) else None)

    def _external_result(
        self, name: str, node: ast.Call, function: Function, at: Node | None, context: Context
    ) -> Values:
        first = node.args[0] if node.args else None
        if name in SPAWNERS:
            return (
                frozenset({Handle(SPAWNERS[name].family, node, context)}) if SPAWNERS[name].returns_handle else _UNKNOWN
            )
        if name in self.settings.process_factories:
            return frozenset({Handle(Family.POPEN, node, context)})
        if name == "multiprocessing.Process" or name in mp.NAMED_PROCESSES:
            return frozenset({Handle(Family.MULTIPROCESSING, node, context)})
        if name in mp.NAMED_CONTEXTS or name == "multiprocessing.get_context":
            return frozenset(
                {
                    Resource(
                        ResourceKind.CONTEXT, node, name, None, self._context_method(name, node, function, at, context)
                    )
                }
            )
        if name in LOCK_WRAPPERS and node.args + node.keywords:
            given = self.arguments(node, ("lock",), function, context).get("lock")
            inner = {v for a in given for v in self.eval_argument(a) if isinstance(v, Resource)}
            if inner:
                return frozenset(inner)
        if name in CONSTRUCTORS:
            return frozenset({Resource(ResourceKind[CONSTRUCTORS[name]], node, name)})
        if name in TRANSPARENT and first is not None:
            return self.eval(first, function, at, context)
        if name in COLLECTIONS:
            return frozenset({Collection(node, function, context)})
        match name, node.args:
            case "builtins.getattr", [target, ast.Constant(value=str(attr)), *default]:
                found: set[Value] = set()
                for value in in_order(self.eval(target, function, at, context)):
                    found |= self.member(value, attr)
                if UNKNOWN in found:
                    for extra in default:
                        found |= self.eval(extra, function, at, context)
                return frozenset(found)
            case "builtins.getattr", [target, _, *_]:
                children = (v for v in in_order(self.eval(target, function, at, context)) if isinstance(v, Handle))
                return frozenset(Pipe(child, stream) for child in children for stream in STREAMS) or _UNKNOWN
            case "functools.partial", [target, *_]:
                values = self.eval(target, function, at, context)
                return frozenset(Partial(v, node) for v in values if not isinstance(v, Unknown)) or _UNKNOWN
            case "typing.cast", [_, value]:
                return self.eval(value, function, at, context)
            case "builtins.next" | "builtins.min" | "builtins.max", [value, *_]:
                return self.iterate(value, function, at, context)
            case "os.getpgid", [pid]:
                return self._derived(pid, HandlePart.GROUP, function, at, context)
            case "psutil.Process", [pid]:
                return self._derived(pid, HandlePart.PSUTIL, function, at, context)
            case "psutil.wait_procs", [processes, *_]:
                return self.elements(self.eval(processes, function, at, context)) or _UNKNOWN
            case "builtins.int", [value]:
                return self.eval(value, function, at, context)
            case "os.fork" | "os.forkpty" | "pty.fork", []:
                return frozenset({Derived(HandlePart.PID, Handle(Family.FORK, node, context))})
            case "os.pipe" | "os.pipe2", _:
                return frozenset({Descriptor(node, "both")})
            case "os.fdopen" | "builtins.open", [fd, *_]:
                ends = frozenset(v for v in self.eval(fd, function, at, context) if isinstance(v, Descriptor))
                return ends or _UNKNOWN
            case "io.TextIOWrapper" | "io.BufferedReader" | "codecs.getreader", [raw, *_]:
                return frozenset(
                    replace(v, wrapped=True) if isinstance(v, Pipe) else v
                    for v in self.eval(raw, function, at, context)
                )
            case "builtins.super", _:
                return frozenset({External("builtins.super")})
            case _, [read, *_] if name in CONVERSIONS or name.partition(".")[0] not in STANDARD_MODULES:
                # What makes text of bytes, or cleans it, makes nothing of nothing: `to_text(p.stdout.readline())`.
                text = frozenset(v for v in self.eval(read, function, at, context) if isinstance(v, ReadResult))
                return text or _UNKNOWN
            case _:
                return _UNKNOWN

    def _derived(
        self, node: ast.expr, part: HandlePart, function: Function, at: Node | None, context: Context
    ) -> Values:
        found = {
            Derived(part, v.handle)
            for v in self.eval(node, function, at, context)
            if isinstance(v, Derived) and v.part in (HandlePart.PID, HandlePart.GROUP)
        }
        return frozenset(found) or _UNKNOWN

    def _context_method(
        self, name: str, node: ast.Call, function: Function, at: Node | None, context: Context
    ) -> mp.StartMethod:
        if name in mp.NAMED_CONTEXTS:
            return mp.NAMED_CONTEXTS[name]
        match node.args, node.keywords:
            case [], []:
                return mp.StartMethod.DEFAULT
            case [ast.expr() as argument, *_], _ if not isinstance(argument, ast.Starred):
                return self.start_method(self.eval(argument, function, at, context))
            case _:
                arguments = self.arguments(node, ("method",), function, context)
                values = frozenset(v for a in arguments.get("method") for v in self.eval_argument(a))
                return mp.StartMethod.UNKNOWN if arguments.open else self.start_method(values or frozenset({NONE}))

    @staticmethod
    def start_method(values: Values) -> mp.StartMethod:
        """The start method that a literal names; UNKNOWN for anything else."""
        if len(values) == 1:
            (value,) = values
            match value:
                case Constant(value=None):
                    return mp.StartMethod.DEFAULT
                case Constant(value=str(text)) if text in {"fork", "spawn", "forkserver"}:
                    return mp.StartMethod(text)
                case _:
                    pass
        return mp.StartMethod.UNKNOWN

    def _method_result(
        self,
        receiver: Value,
        name: str,
        node: ast.Call,
        function: Function,
        at: Node | None,
        context: Context,
    ) -> Values:
        match receiver, name:
            case Handle(), "poll":
                return frozenset({Derived(HandlePart.POLL_RESULT, receiver)})
            case Handle(), "is_alive":
                return frozenset({Derived(HandlePart.POLL_RESULT, receiver)})
            case Handle(), "__enter__" | "__aenter__":
                return frozenset({receiver})
            case Pipe(), "fileno" | "detach" | "__enter__" | "__iter__":
                return frozenset({receiver})
            case Pipe(), "read" | "readline" | "read1" | "readlines" | "readinto" | "readuntil" | "readexactly":
                return frozenset({ReadResult(receiver)})
            case Resource(kind=ResourceKind.SOCKET), "fileno" | "detach" | "__enter__":
                return frozenset({receiver})
            case Resource(kind=ResourceKind.SOCKET), "accept":
                return frozenset({Resource(ResourceKind.SOCKET, node, "socket.accept")})
            case Descriptor(), "fileno" | "detach" | "__enter__":
                return frozenset({receiver})
            case Resource(kind=ResourceKind.CONTEXT), member if member in CONTEXT_MEMBERS:
                return self._context_member(receiver, member, node, context)
            case Resource(kind=ResourceKind.EXIT_STACK), "enter_context" | "enter_async_context" if node.args:
                return self.entered(node.args[0], function, at, context)
            case Resource(kind=ResourceKind.LOOP), "run_until_complete" | "create_task" if node.args:
                return self.eval(node.args[0], function, at, context)
            case Resource(kind=ResourceKind.MANAGER), _:
                return frozenset({Resource(ResourceKind.PROXY, node, name)})
            case Derived(HandlePart.PSUTIL, handle), "children":
                return frozenset({Derived(HandlePart.DESCENDANTS, handle)})
            case ReadResult(pipe), "decode":
                return frozenset({ReadResult(replace(pipe, wrapped=True))})  # text, and as empty as what was read
            case _:
                return _UNKNOWN

    def _context_member(self, receiver: Value, member: str, node: ast.Call, context: Context) -> Values:
        assert isinstance(receiver, Resource)
        if member in mp.PROCESS_NAMES:
            return frozenset({Handle(Family.MULTIPROCESSING, node, context)})
        if member == "Pipe":
            return _UNKNOWN
        name = f"multiprocessing.{member}"
        return frozenset({Resource(ResourceKind[CONSTRUCTORS[name]], node, name, None, receiver.method)})

    def rules_out(self, condition: Condition | None, function: Function) -> bool:
        """Whether the target platform and Python version decide one of a chain of tests in `function` against it."""
        for link in Condition.chain(condition):
            truth = self.truth(link.test, function, None)
            if truth is not None and truth is not link.truth:
                return True
        return False

    # -- who calls a function ------------------------------------------------------------------------------------------

    def invocations(self, function: Function) -> list[Invocation]:
        """Where the module calls `function` or hands it on to be called (`Thread(target=f)`, `submit(f)`)."""
        known = self._invocations.get(function)
        if known is not None:
            return known
        found: list[Invocation] = []
        self._invocations[function] = found
        names = {function.name}
        if function.name == "__init__" and function.owner is not None:
            names = {c.name for c in self.family(function.owner)} | {"cls", "__init__"}
        if isinstance(function.node, ast.Lambda):
            return found
        for name in sorted(names):
            for call, direct in self._calls_naming(name):
                if len(found) >= _CALL_SITES:
                    return found
                home = self.scopes.home[call]
                if direct and home is function and self._is_of_its_own(call.func, function):
                    continue
                if self._invokes(call, home, function, direct=direct):
                    found.append(Invocation(call, home, direct))
        return found

    @staticmethod
    def _is_of_its_own(callee: ast.expr, function: Function) -> bool:
        """Whether `function` calls a method of its own name of what it is given: `def kill(pid): Process(pid).kill()`.

        What it is given is not known before it is known who calls it.
        """
        match callee:
            case ast.Attribute(value=ast.Name(id=name)) if function.owner is not None:
                return name != function.receiver and any(p.arg == name for p in function.parameters())
            case ast.Attribute():
                return function.owner is None
            case _:
                return False

    def _calls_naming(self, name: str) -> list[tuple[ast.Call, bool]]:
        self.scopes.wake_spelling(name)
        new, self._calls_indexed = self._calls_indexed, len(self.scopes.home)
        for call in islice(self.scopes.home, new, None) if new < self._calls_indexed else ():
            terminal = last_name(call.func)
            if terminal:
                self._callers_by_name.setdefault(terminal, []).append((call, True))
            for arg in (*call.args, *(k.value for k in call.keywords)):
                passed = last_name(arg)
                if passed:
                    self._callers_by_name.setdefault(passed, []).append((call, False))
        return self._callers_by_name.get(name, [])

    def _invokes(self, call: ast.Call, home: Function, function: Function, *, direct: bool) -> bool:
        candidates = [call.func] if direct else [*call.args, *(k.value for k in call.keywords)]
        for expression in candidates:
            if not direct and last_name(expression) != function.name:
                continue
            at = self._step_of(home, call)
            for value in in_order(self.eval(expression, home, at, ())):
                match value:
                    case FunctionReference(function=inner) if inner is function:
                        return True
                    case ClassReference(cls) if (
                        direct and function.name == "__init__" and self.find_method(cls, "__init__") is function
                    ):
                        return True
                    case External(name="builtins.super.__init__") if (
                        home.owner is not None and function.owner in self.bases(home.owner)
                    ):
                        return True
                    case _:
                        continue
        return False

    def given(self, call: ast.Call, function: Function, context: Context = ()) -> Arguments:
        """The arguments that `call` gives to the parameters of `function`, called directly or by reference.

        `context` are the calls through which the function that holds `call` was reached itself.
        """
        home = self.scopes.home.get(call)
        if home is None:
            return Arguments(open=True)
        names = [a.arg for a in function.parameters()]
        if function.receiver or (function.owner is not None and function.name == "__init__"):
            names = names[1:]
        if self.calls_directly(call, function):
            skip = 0
            if (
                isinstance(call.func, ast.Attribute)
                and function.receiver
                and self._called_through_class(call.func, home)
            ):
                skip = 1
            return self.arguments(call, names, home, context, skip)
        return self._given_by_reference(call, function, names, home)

    def calls_directly(self, call: ast.Call, function: Function) -> bool:
        """Whether `call`, which leads to `function`, calls it itself and hands it to nobody who does."""
        return (
            last_name(call.func) in {function.name, "cls"}
            or (function.name == "__init__")
            or isinstance(function.node, ast.Lambda)
            or self._is_alias(call.func, function, self.scopes.home[call])
        )

    def given_in_the_end(self, call: ast.Call, function: Function) -> list[Arguments]:
        """The arguments of `given`, and where the call only passes on `*args` or `**kwargs`, what its callers give."""
        given = self.given(call, function)
        if not given.open and not given.rest_open:
            return [given]
        home = self.scopes.home[call]
        passed = [self.given(call, function, (i.call,)) for i in self.invocations(home) if i.direct]
        return [given, *passed]

    def _is_alias(self, func: ast.expr, function: Function, home: Function) -> bool:
        """Whether a name under which nothing is defined stands for `function`: `make = spawn; make(...)`."""
        return any(isinstance(v, FunctionReference) and v.function is function for v in self.eval(func, home, None, ()))

    def _called_through_class(self, func: ast.Attribute, home: Function) -> bool:
        return any(isinstance(v, ClassReference) for v in self.eval(func.value, home, None, ())) and not (
            isinstance(func.value, ast.Name) and func.value.id == "cls"
        )

    def _given_by_reference(self, call: ast.Call, function: Function, names: list[str], home: Function) -> Arguments:
        keywords = {k.arg: k.value for k in call.keywords if k.arg}
        packed = keywords.get("args")
        position = next((i for i, a in enumerate(call.args) if last_name(a) == function.name), None)
        if (
            packed is None
            and position is not None
            and self._is_given_packed(call, home)
            and len(call.args) > position + 1
        ):
            packed = call.args[position + 1]
        arguments = Arguments()
        if packed is not None:
            items, arguments.open = self._packed_items(packed, home)
            for name, value in zip(names, items, strict=False):
                arguments.add(name, Argument(value, home, (), value))
        elif position is not None:
            for name, value in zip(names, call.args[position + 1 :], strict=False):
                arguments.add(name, Argument(value, home, (), value))
        named = keywords.get("kwargs")
        if isinstance(named, ast.Dict):
            for key, value in zip(named.keys, named.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    arguments.add(key.value, Argument(value, home, (), value))
        if packed is None and named is None:
            for key_name, value in keywords.items():
                if key_name in names:
                    arguments.add(key_name, Argument(value, home, (), value))
        return arguments

    def _packed_items(self, packed: ast.expr, home: Function) -> tuple[list[ast.expr], bool]:
        """The first items of a tuple of arguments as far as they can be told apart, and whether there may be more."""
        match packed:
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return items, False
            case ast.BinOp(left=left, op=ast.Add()):
                return self._packed_items(left, home)[0], True
            case ast.Name(id=name):
                match home.names.get(name):
                    case [Binding(kind=BindingKind.ASSIGN, value=ast.Tuple(elts=items), path=())]:
                        return items, False
                    case _:
                        return [], True
            case _:
                return [], True

    def _is_given_packed(self, call: ast.Call, home: Function) -> bool:
        """Whether a call takes the arguments of a function that it is given as one tuple behind it."""
        if last_name(call.func) in _PACKED:
            return True
        return any(
            isinstance(v, External) and v.name.rpartition(".")[2] in _PACKED
            for v in self.eval(call.func, home, None, ())
        )

    # -- truth -----------------------------------------------------------------------------------------------------

    def truth(self, test: ast.expr, function: Function, at: Node | None, context: Context = ()) -> bool | None:
        """The truth of a test that the platform, the target version or a constant settles; None if it is open.

        With a `context`, what the calls in it give may settle the test too.
        """
        settled = self._settled(test, function, at)
        return self.reach.truth(test, function, context) if settled is None and context else settled

    def _settled(self, test: ast.expr, function: Function, at: Node | None) -> bool | None:
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.truth(operand, function, at)
                return None if inner is None else not inner
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compare(left, op, right, function, at)
            case ast.BoolOp(op=op, values=values):
                truths = [self.truth(v, function, at) for v in values]
                stop = isinstance(op, ast.Or)
                if stop in truths:
                    return stop
                return (not stop) if all(t is (not stop) for t in truths) else None
            case ast.Call(func=ast.Name(id="hasattr"), args=[target, ast.Constant(value=str(attr))]) if (
                attr in _POSIX_ONLY
            ):
                return True if External("os") in self.eval(target, function, at) else None
            case ast.Call(func=ast.Attribute(attr="startswith", value=base), args=[ast.Constant(value=str(text))]):
                if External("sys.platform") in self.eval(base, function, at) and text in {
                    "win",
                    "win32",
                    "cygwin",
                    "java",
                }:
                    return False
                return None
            case ast.Constant(value=value):
                return bool(value)
            case ast.Name() | ast.Attribute():
                return self._truth_of_values(test, function)
            case _:
                return None

    def _truth_of_values(self, test: ast.expr, function: Function) -> bool | None:
        key = ("truth", test)
        if key in self._busy:
            return None  # `self.on = not self.on`
        self._busy.add(key)
        try:
            return self._truth_of_definition(test, function)
        finally:
            self._busy.discard(key)

    def _truth_of_definition(self, test: ast.expr, function: Function) -> bool | None:
        match test:
            case ast.Name(id=name):
                scope, bindings = self._lookup(name, function)
                if name == "TYPE_CHECKING" or len(bindings) != 1 or scope is None or not scope.is_module:
                    return False if name == "TYPE_CHECKING" else None
                value = bindings[0].value
                if bindings[0].kind is BindingKind.IMPORT or value is None or bindings[0].path:
                    return None
                return self.truth(value, bindings[0].function, None) if not isinstance(value, ast.Constant) else None
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if function.owner and name == function.receiver:
                set_by = [b for c in self.family(function.owner) for b in c.attributes.get(attr, c.names.get(attr, []))]
                if len(set_by) == 1 and isinstance(set_by[0].value, ast.Compare | ast.UnaryOp | ast.BoolOp):
                    return None if set_by[0].path else self.truth(set_by[0].value, set_by[0].function, None)
                return None
            case _:
                return None

    def _compare(
        self, left: ast.expr, op: ast.cmpop, right: ast.expr, function: Function, at: Node | None
    ) -> bool | None:
        subject = {v.name for v in self.eval(left, function, at) if isinstance(v, External)}
        if isinstance(left, ast.Call):
            subject |= {f"{v.name}()" for v in self.eval(left.func, function, at) if isinstance(v, External)}
        if subject & {"sys.platform", "os.name", "platform.system()"}:
            return _compare_platform(op, right)
        if subject & {"sys.version_info"} and isinstance(right, ast.Tuple):
            return self._compare_version(op, right)
        return None

    def _compare_version(self, op: ast.cmpop, right: ast.Tuple) -> bool | None:
        wanted = tuple(e.value for e in right.elts if isinstance(e, ast.Constant) and isinstance(e.value, int))[:2]
        if not wanted:
            return None
        target = self.settings.target_version[: len(wanted)]
        if isinstance(op, ast.GtE | ast.Gt):
            return True if target >= wanted and isinstance(op, ast.GtE) else None
        if isinstance(op, ast.Lt):
            return False if target >= wanted else None
        return None


def _widened(values: Values) -> Values:
    """`values`, with very many collections given up as unknown."""
    if len(values) <= _MANY_COLLECTIONS:
        return values
    plain = frozenset(v for v in values if not isinstance(v, Collection))
    return plain | _UNKNOWN if len(values) - len(plain) > _MANY_COLLECTIONS else values


def _compare_platform(op: ast.cmpop, right: ast.expr) -> bool | None:
    names = {c.value for c in ast.walk(right) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
    if not names:
        return None
    equal = isinstance(op, ast.Eq | ast.In | ast.Is)
    if not equal and not isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot):
        return None
    if names <= _NOT_POSIX:
        return not equal
    if names <= _POSIX:
        return equal
    return None


def _may_never_return(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A cheap look before a graph is built: the body must end in something that does not fall through."""
    last = node.body[-1]
    if isinstance(last, ast.Pass) or (isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)):
        return False
    if isinstance(last, ast.Raise) and last.exc is not None and "NotImplemented" in ast.unparse(last.exc):
        return False  # an abstract method; those of subclasses do return
    return isinstance(last, ast.Raise | ast.While | ast.Try | ast.If | ast.With | ast.Expr | ast.Match)
