"""One walk over the tree: functions, classes, what each name is bound to, and where attributes are set.

The walk is iterative, so that no program, however deep, meets Python's recursion limit. Nothing is written on the
tree; what is learned stands in side tables keyed by node.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import field
from enum import Enum, auto
from functools import cached_property
from typing import NamedTuple

from flake8_forksafe.model.walking import fields_from_last, walk
from flake8_forksafe.outline import Block, Outline
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import ADDING_METHODS
from flake8_forksafe.stdlib.subprocess import STREAMS

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class BindingKind(Enum):
    """How a name or an attribute gets a value."""

    ASSIGN = auto()
    ANNOTATION = auto()
    AUGMENTED = auto()
    ITERATE = auto()
    ENTER = auto()
    IMPORT = auto()
    DEFINITION = auto()
    PARAMETER = auto()
    EXCEPTION = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One place where a name or attribute is bound.

    `value` is the expression bound, iterated over or entered; `path` leads from it into nested tuples
    (`a, (b, c) = v` binds c by path `(1, 1)`); `imported` is the dotted name of an import; `item` is the
    `with` item of an ENTER.
    """

    kind: BindingKind
    function: Function
    statement: ast.AST
    value: ast.expr | None = None
    path: tuple[int, ...] = ()
    imported: str = ""
    definition: Function | Class | None = None
    annotation: ast.expr | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A link in the chain of tests that a statement stands under, innermost first."""

    test: ast.expr
    truth: bool
    outer: Condition | None

    @staticmethod
    def chain(innermost: Condition | None) -> Iterator[Condition]:
        """Yield `innermost` and those around it; nothing for None."""
        while innermost is not None:
            yield innermost
            innermost = innermost.outer


@dataclass(frozen=True, slots=True, eq=False)
class Mutation:
    """A call or assignment that puts something into a container or dict: `procs.append(p)`, `kwargs["x"] = y`."""

    function: Function
    node: ast.AST
    receiver: ast.expr
    method: str
    key: ast.expr | None
    value: ast.expr


@dataclass(slots=True, eq=False)
class Class:
    """A class of the module."""

    node: ast.ClassDef
    parent: Function
    outer: Class | None
    methods: dict[str, Function] = field(default_factory=dict)
    names: dict[str, list[Binding]] = field(default_factory=dict)
    attributes: dict[str, list[Binding]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.node.name

    @property
    def dotted_name(self) -> str:
        """The name with those of the classes around it: `Outer.Inner`."""
        return self.name if self.outer is None else f"{self.outer.dotted_name}.{self.name}"


@dataclass(slots=True, eq=False)
class Function:
    """A function, method, lambda, or the module's own top level.

    `words` are the names and attributes it spells, `other_words` keywords, imports, annotations, literal identifiers.
    `calls_only` are the names of the functions whose calls are all that matters in it; None where everything does.
    `may_hold` tells of its expressions whether they can stand for a resource, or for a function that matters; None
    where all are to be looked at.
    `stores` are the attributes, globals and names of a class that it binds, `mutations` what it puts into containers.
    `attributes` are those of its own class that a method binds.
    `uses_streams` tells that it spells an attribute `stdin`, `stdout` or `stderr` of anything but `sys`.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module
    parent: Function | None
    owner: Class | None
    condition: Condition | None = None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    outer_names: set[str] = field(default_factory=set)
    calls: list[ast.Call] = field(default_factory=list)
    returns: list[ast.expr] = field(default_factory=list)
    yields: list[ast.expr] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    other_words: set[str] = field(default_factory=set)
    calls_only: frozenset[str] | None = None
    may_hold: Callable[[ast.expr], bool] | None = None
    stores: list[tuple[str, Binding]] = field(default_factory=list)
    attributes: dict[str, list[Binding]] = field(default_factory=dict)
    mutations: list[Mutation] = field(default_factory=list)
    is_generator: bool = False
    uses_streams: bool = False
    receiver: str = field(init=False)

    def __post_init__(self) -> None:
        """Find the name of `self` (or `cls`) in a method; empty elsewhere and in static methods."""
        self.receiver = ""
        if self.owner is not None and isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef):
            positional = self.parameters()
            static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in self.node.decorator_list)
            self.receiver = positional[0].arg if positional and not static else ""

    @property
    def name(self) -> str:
        """The function's name; `<lambda>` and `<module>` as Python has them."""
        match self.node:
            case ast.Module():
                return "<module>"
            case ast.Lambda():
                return "<lambda>"
            case _:
                return self.node.name

    def takes(self, name: str) -> bool:
        """Whether a parameter of that name takes one argument: not `*args`, not `**kwargs`, not `self`."""
        args = self.arguments
        if args is None or name == self.receiver:
            return False
        return any(a.arg == name for a in (*args.posonlyargs, *args.args, *args.kwonlyargs))

    @property
    def is_module(self) -> bool:
        """Whether this is the module's top level."""
        return isinstance(self.node, ast.Module)

    @property
    def is_async(self) -> bool:
        """Whether this is an `async def`."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def decorators(self) -> list[ast.expr]:
        """The decorator expressions, outermost first."""
        return [] if isinstance(self.node, ast.Lambda | ast.Module) else self.node.decorator_list

    @property
    def is_context_manager(self) -> bool:
        """Whether a decorator makes the function's `yield` the body of a `with` block or of a test."""
        targets = (d.func if isinstance(d, ast.Call) else d for d in self.decorators)
        names = {
            t.id if isinstance(t, ast.Name) else t.attr for t in targets if isinstance(t, ast.Name | ast.Attribute)
        }
        return self.is_generator and not names.isdisjoint(_YIELDING_DECORATORS)

    @property
    def arguments(self) -> ast.arguments | None:
        """The parameter list; None for the module."""
        return None if isinstance(self.node, ast.Module) else self.node.args

    def parameters(self) -> list[ast.arg]:
        """The parameters that can be given by position, in order."""
        args = self.arguments
        return [] if args is None else [*args.posonlyargs, *args.args]

    def defaults(self) -> dict[str, ast.expr]:
        """The default expression of each parameter that has one."""
        args = self.arguments
        if args is None:
            return {}
        positional = [*args.posonlyargs, *args.args]
        found = dict(
            zip((a.arg for a in positional[len(positional) - len(args.defaults) :]), args.defaults, strict=True)
        )
        found.update(
            {a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None},
        )
        return found

    def lexical_parents(self) -> Iterator[Function]:
        """The enclosing functions, innermost first, the module last."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent


_YIELDING_DECORATORS = frozenset({"contextmanager", "asynccontextmanager", "fixture", "yield_fixture"})


def access_path(node: ast.expr) -> str:
    """Return `name` or `name.attr` (any depth) for a plain reference, else an empty string."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


class Sleepers:
    """The functions of a module whose bodies nobody has asked for yet.

    Attributes:
        blocks: their text, by the line of the `def`.
    """

    def __init__(self, outline: Outline, awake: Collection[int], *, parsed: bool) -> None:
        """Let all functions of `outline` sleep but those whose `def` lines are `awake`.

        Arguments:
            outline: the functions of the file.
            awake: the lines of those whose bodies are walked at once.
            parsed: whether the tree holds the bodies; if not, they are parsed when they are asked for.
        """
        self._outline, self._awake, self._parsed = outline, awake, parsed
        self.blocks = {line: block for line, block in outline.blocks.items() if line not in awake}

    @property
    def skeleton(self) -> bytes:
        """The text of the module without their bodies."""
        return self._outline.skeleton(self._awake)

    def bodies(self, blocks: Collection[Block]) -> dict[int, list[ast.stmt]] | None:
        """The bodies of `blocks` by the lines of their functions; None if the tree holds them."""
        return None if self._parsed else self._outline.bodies(blocks)


_STATEMENT_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
#: How many times functions are woken one after the other before all are. The parser goes over the lines above them each
#: time, so that it counts them; so many times take it about half as long as the whole file.
_OFTEN = 50


class ScopeTable:
    """What the one walk over a module finds.

    Attributes:
        module: the top level as a function.
        functions: every function, the module first, in source order.
        classes: every class, in source order.
        home: the function in which each call, and each attribute or name of interest, is evaluated.
        conditions: for each statement, and each value returned or yielded, under an `if`, `while` or conditional, the
            innermost test.
        comprehension_names: for each name read inside a comprehension that binds it, the binding generator.
        class_bodies: for each name read in a class body itself, the class.
        mutations: what is put into containers.
        spelled: every identifier of the module's code, those of imports, keywords and literal strings included.
    """

    def __init__(self, tree: ast.Module, sleeping: Sleepers | None = None) -> None:
        """Walk `tree`, but not the bodies of functions that are `sleeping`: those are walked when they are woken."""
        self._sleepers = sleeping
        self._asleep: dict[Function, Block] = {}
        self._times_woken = 0
        self.module = Function(tree, None, None)
        self.functions: list[Function] = [self.module]
        self.classes: list[Class] = []
        self.by_node: dict[ast.AST, Function] = {tree: self.module}
        self.class_by_node: dict[ast.AST, Class] = {}
        self.conditions: dict[ast.AST, Condition] = {}
        self.comprehension_names: dict[ast.Name, Binding] = {}
        self.class_bodies: dict[ast.Name, Class] = {}
        self.mutations: list[Mutation] = []
        self.star_imports: list[str] = []
        self.awaited: set[ast.expr] = set()
        self.globals_written: dict[str, list[Binding]] = {}
        self.home: dict[ast.Call, Function] = {}
        _Walk(self).run(tree.body, self.module)
        self.spelled = spelled_in(self.functions)

    def block(self, node: ast.AST, parent: Function) -> Block | None:
        """The block of a function that is asleep; None for one that is awake."""
        if self._sleepers is None or parent is not self.module or not isinstance(node, _STATEMENT_FUNCTIONS):
            return None
        return self._sleepers.blocks.get(node.lineno)

    def put_to_sleep(self, function: Function, block: Block) -> None:
        """Leave the body of `function` for later; its words are known."""
        self._asleep[function] = block
        function.other_words |= block.words

    def sleeping_block(self, function: Function) -> Block | None:
        """The text of a function that is asleep, else None."""
        return self._asleep.get(function)

    @property
    def asleep(self) -> int:
        """How many functions are asleep."""
        return len(self._asleep)

    def wake(self, functions: Collection[Function]) -> None:
        """Walk the bodies of those of `functions` that are asleep; in the end, of all that are.

        Raises:
            OutlineError: a body cannot be parsed on its own.
        """
        blocks = {function: self._asleep.pop(function) for function in functions if function in self._asleep}
        if not blocks:
            return
        assert self._sleepers is not None
        self._times_woken += 1
        if self._times_woken == _OFTEN:
            blocks |= self._asleep
            self._asleep.clear()
        bodies = self._sleepers.bodies(list(blocks.values()))
        for function, block in blocks.items():
            node = function.node
            assert isinstance(node, _STATEMENT_FUNCTIONS)
            if bodies is not None:
                node.body = bodies[block.line]
            _Walk(self).run(node.body, function)

    def wake_all(self) -> None:
        """Walk all that is still asleep."""
        self.wake(list(self._asleep))

    def wake_spelling(self, word: str) -> None:
        """Walk what spells `word`."""
        self.wake(self._spelling.get(word, ()))

    def wake_storing(self, attribute: str) -> None:
        """Walk what may assign to an attribute of that name, or put something into what it holds."""
        self.wake(self._storing.get(attribute, ()))

    @cached_property
    def _spelling(self) -> dict[str, list[Function]]:
        return _by_name((function, block.words) for function, block in self._asleep.items())

    @cached_property
    def _storing(self) -> dict[str, list[Function]]:
        return _by_name((function, block.stores) for function, block in self._asleep.items())

    def dissolve(self) -> None:
        """Cut the ties that go round, so that all of it is freed at once when it is let go, without a collector."""
        for function in self.functions:
            function.names.clear()
            function.stores.clear()
            function.attributes.clear()
            function.mutations.clear()
            function.may_hold = None
        for cls in self.classes:
            cls.methods.clear()
            cls.names.clear()
            cls.attributes.clear()

    @cached_property
    def imported_names(self) -> frozenset[str]:
        """All names that an import binds, in whatever function."""
        return frozenset(
            name
            for function in self.functions
            for name, bindings in function.names.items()
            if any(binding.kind is BindingKind.IMPORT for binding in bindings)
        )

    def names_of_module(self, name: str) -> list[Binding]:
        """All bindings of a module-level name, those made through `global` included."""
        return [*self.module.names.get(name, ()), *self.globals_written.get(name, ())]


def _by_name(named: Iterable[tuple[Function, Iterable[str]]]) -> dict[str, list[Function]]:
    """For each name the functions that have it among theirs."""
    found: dict[str, list[Function]] = {}
    for function, names in named:
        for name in names:
            found.setdefault(name, []).append(function)
    return found


def spelled_in(functions: Iterable[Function]) -> set[str]:
    """Every identifier of some functions, their own names included."""
    found: set[str] = set()
    for function in functions:
        found |= function.words
        found |= function.other_words
        found.add(function.name)
    return found


_Names = dict[str, Binding]


class _Where(NamedTuple):
    """Where a node stands.

    Attributes:
        function: what evaluates it.
        cls: the class in whose body it stands, and in no function there.
        test: the innermost test that it stands under.
        names: what the comprehensions around it bind.
    """

    function: Function
    cls: Class | None = None
    test: Condition | None = None
    names: _Names | None = None

    def under(self, test: ast.expr, *, truth: bool) -> _Where:
        """The same place where `test` has come out as `truth`."""
        return self._replace(test=Condition(test, truth, self.test))


class _Walk:
    """The walk itself: an explicit stack of nodes, each with where it stands."""

    def __init__(self, table: ScopeTable) -> None:
        self.table = table
        self.stack: list[tuple[ast.AST, _Where]] = []

    def run(self, body: list[ast.stmt], function: Function) -> None:
        self.push_block(body, _Where(function))
        stack = self.stack
        while stack:
            node, where = stack.pop()
            if where.test is not None and isinstance(node, _CONDITIONED):
                self.table.conditions[node] = where.test
            visit = _VISITS.get(node.__class__, _Walk.visit_fields)
            visit(self, node, where)

    def push_all(self, nodes: Sequence[ast.AST], where: _Where) -> None:
        self.stack += [(node, where) for node in reversed(nodes)]

    def push_block(self, body: list[ast.stmt], where: _Where) -> None:
        """Push statements; behind an `if` one of whose branches leaves the block, the other has been taken."""
        frames: list[tuple[ast.AST, _Where]] = []
        for statement in body:
            frames.append((statement, where))
            while isinstance(statement, ast.If):
                if isinstance(statement.body[-1], _LEAVING):
                    where = where.under(statement.test, truth=False)
                elif statement.orelse and isinstance(statement.orelse[-1], _LEAVING):
                    where = where.under(statement.test, truth=True)
                    break
                else:
                    break
                # behind `if a: return x` and `elif b: return y` both have failed
                match statement.orelse:
                    case [ast.If() as statement]:
                        continue
                    case _:
                        break
        self.stack.extend(reversed(frames))

    # -- one node: learn from it and push what stands under it -----------------------------------------------------

    def visit_name(self, node: ast.Name, where: _Where) -> None:
        function, cls, _, names = where
        if names is not None and node.id in names and isinstance(node.ctx, ast.Load):
            self.table.comprehension_names[node] = names[node.id]
        elif cls is not None and isinstance(node.ctx, ast.Load):
            self.table.class_bodies[node] = cls
        function.words.add(node.id)

    def visit_constant(self, node: ast.Constant, where: _Where) -> None:
        value = node.value
        if isinstance(value, str) and value.isidentifier():
            where.function.other_words.add(value)

    def visit_keyword(self, node: ast.keyword, where: _Where) -> None:
        if node.arg is not None:
            where.function.other_words.add(node.arg)
        self.stack.append((node.value, where))

    def visit_attribute(self, node: ast.Attribute, where: _Where) -> None:
        function = where.function
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            function.words.add(value.attr)
            if value.attr in STREAMS and not (isinstance(value.value, ast.Name) and value.value.id == "sys"):
                function.uses_streams = True
            value = value.value
        self.stack.append((value, where))

    def visit_call(self, node: ast.Call, where: _Where) -> None:
        function = where.function
        function.calls.append(node)
        self.table.home[node] = function
        self.note_mutating_call(node, function)
        self.visit_fields(node, where)

    def visit_if_exp(self, node: ast.IfExp, where: _Where) -> None:
        self.stack.append((node.orelse, where.under(node.test, truth=False)))
        self.stack.append((node.body, where.under(node.test, truth=True)))
        self.stack.append((node.test, where))

    def visit_await(self, node: ast.Await, where: _Where) -> None:
        self.table.awaited.add(node.value)
        self.stack.append((node.value, where))

    def visit_yield(self, node: ast.Yield | ast.YieldFrom, where: _Where) -> None:
        where.function.is_generator = True
        if node.value is not None:
            self.note_test(node.value, where)
            where.function.yields.append(node.value)
            self.stack.append((node.value, where))

    def visit_return(self, node: ast.Return, where: _Where) -> None:
        if node.value is not None:
            self.note_test(node.value, where)
            where.function.returns.append(node.value)
            self.stack.append((node.value, where))

    def note_test(self, value: ast.expr, where: _Where) -> None:
        """Remember under which test a function gives `value` to its caller."""
        if where.test is not None:
            self.table.conditions[value] = where.test

    def visit_binding(self, node: ast.AST, where: _Where) -> None:
        self.bind_statement(node, where.function, where.cls)
        self.visit_fields(node, where)

    def visit_fields(self, node: ast.AST, where: _Where) -> None:
        stack = self.stack
        for name in fields_from_last(node):
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                stack.append((value, where))
            elif value.__class__ is list and value:
                if isinstance(value[0], ast.stmt):
                    self.push_block(value, where)
                else:  # some hold names and None as well
                    stack += [(item, where) for item in reversed(value) if isinstance(item, ast.AST)]

    # -- compound nodes -------------------------------------------------------------------------------------------

    def visit_branch(self, node: ast.If | ast.While, where: _Where) -> None:
        for block, truth in ((node.orelse, False), (node.body, True)):
            test = _with_flags(block, Condition(node.test, truth, where.test))
            self.push_block(block, where._replace(test=test))
        self.stack.append((node.test, where))

    def visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, where: _Where) -> None:
        function, cls, test, names = where
        inner = Function(node, function, cls if not isinstance(node, ast.Lambda) else None, test)
        self.table.functions.append(inner)
        self.table.by_node[node] = inner
        args = node.args
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                binding = Binding(BindingKind.PARAMETER, inner, arg, annotation=arg.annotation)
                inner.names.setdefault(arg.arg, []).append(binding)
                if arg.annotation is not None:
                    inner.other_words.update(_words_in(arg.annotation))
        outside: list[ast.AST] = [*args.defaults, *(d for d in args.kw_defaults if d is not None)]
        if isinstance(node, ast.Lambda):
            inner.returns.append(node.body)
            self.stack.append((node.body, _Where(inner, names=names)))
        else:
            outside.extend(node.decorator_list)
            binding = Binding(BindingKind.DEFINITION, function, node, definition=inner)
            self.declare(node.name, binding, function, cls)
            if cls is not None:
                cls.methods.setdefault(node.name, inner)
            block = self.table.block(node, function)
            if block is None:
                self.push_block(node.body, _Where(inner))
            else:
                self.table.put_to_sleep(inner, block)
        self.push_all(outside, where)

    def visit_class(self, node: ast.ClassDef, where: _Where) -> None:
        function, outer, test, _ = where
        cls = Class(node, function, outer)
        self.table.classes.append(cls)
        self.table.class_by_node[node] = cls
        self.declare(node.name, Binding(BindingKind.DEFINITION, function, node, definition=cls), function, outer)
        self.push_all(node.body, _Where(function, cls, test))
        around = [*node.bases, *(k.value for k in node.keywords), *node.decorator_list]
        self.push_all(around, _Where(function, outer, test))

    def visit_comprehension(self, node: Comprehension, where: _Where) -> None:
        names = dict(where.names or {})
        inside = where._replace(names=names)
        for generator in node.generators:
            self.stack.append((generator.iter, where._replace(names=dict(names))))
            for target, path in targets(generator.target):
                if isinstance(target, ast.Name):
                    names[target.id] = Binding(BindingKind.ITERATE, where.function, node, generator.iter, path)
            self.stack.extend((test, inside) for test in generator.ifs)
        self.push_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inside)

    # -- bindings --------------------------------------------------------------------------------------------------

    def bind_statement(self, node: ast.AST, fn: Function, cls: Class | None) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    self.bind_target(target, BindingKind.ASSIGN, node, node.value, fn, cls)
            case ast.AnnAssign():
                kind = BindingKind.ASSIGN if node.value is not None else BindingKind.ANNOTATION
                self.bind_target(node.target, kind, node, node.value, fn, cls, node.annotation)
            case ast.AugAssign():
                self.bind_target(node.target, BindingKind.AUGMENTED, node, node.value, fn, cls)
                self.mutation(Mutation(fn, node, node.target, "extend", None, node.value))
            case ast.NamedExpr():
                self.bind_target(node.target, BindingKind.ASSIGN, node, node.value, fn, cls)
            case ast.For() | ast.AsyncFor():
                self.bind_target(node.target, BindingKind.ITERATE, node, node.iter, fn, cls)
            case ast.withitem() if node.optional_vars is not None:
                self.bind_target(node.optional_vars, BindingKind.ENTER, node, node.context_expr, fn, cls)
            case ast.ExceptHandler() if node.name:
                self.declare(node.name, Binding(BindingKind.EXCEPTION, fn, node, node.type), fn, cls)
            case ast.Import():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    dotted = alias.name if alias.asname else name
                    fn.other_words.update(alias.name.split("."))
                    self.declare(name, Binding(BindingKind.IMPORT, fn, node, imported=dotted), fn, cls)
            case ast.ImportFrom():
                self.bind_import_from(node, fn, cls)
            case ast.Global() | ast.Nonlocal():
                fn.outer_names.update(node.names)
            case ast.MatchAs() | ast.MatchStar() if node.name:
                self.declare(node.name, Binding(BindingKind.OTHER, fn, node), fn, cls)
            case ast.MatchMapping() if node.rest:
                self.declare(node.rest, Binding(BindingKind.OTHER, fn, node), fn, cls)
            case _:
                pass

    def bind_import_from(self, node: ast.ImportFrom, fn: Function, cls: Class | None) -> None:
        prefix = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.table.star_imports.append(prefix)
                fn.other_words.update(prefix.split("."))
                continue
            dotted = f"{prefix}{'' if prefix.endswith('.') else '.'}{alias.name}"
            fn.other_words.update(dotted.split("."))
            self.declare(alias.asname or alias.name, Binding(BindingKind.IMPORT, fn, node, imported=dotted), fn, cls)

    def bind_target(
        self,
        target: ast.expr,
        kind: BindingKind,
        statement: ast.AST,
        value: ast.expr | None,
        fn: Function,
        cls: Class | None,
        annotation: ast.expr | None = None,
    ) -> None:
        for leaf, path in targets(target):
            binding = Binding(kind, fn, statement, value, path, annotation=annotation)
            match leaf:
                case ast.Name():
                    self.declare(leaf.id, binding, fn, cls)
                case ast.Attribute(value=ast.Name()):
                    self.bind_attribute(leaf, binding, fn)
                case ast.Subscript() if value is not None and not path:
                    self.mutation(Mutation(fn, statement, leaf.value, "setitem", leaf.slice, value))
                case _:
                    pass

    def bind_attribute(self, target: ast.Attribute, binding: Binding, fn: Function) -> None:
        """Note `self.x = …` in a method, or in a function nested in one."""
        assert isinstance(target.value, ast.Name)
        for scope in (fn, *fn.lexical_parents()):
            if scope.owner is not None and scope.receiver == target.value.id:
                scope.owner.attributes.setdefault(target.attr, []).append(binding)
                fn.attributes.setdefault(target.attr, []).append(binding)
                fn.stores.append((target.attr, binding))
                return
            if target.value.id in scope.names:
                fn.names.setdefault(f"{target.value.id}.{target.attr}", []).append(binding)
                return

    def declare(self, name: str, binding: Binding, fn: Function, cls: Class | None) -> None:
        if cls is not None:
            cls.names.setdefault(name, []).append(binding)
            fn.stores.append((name, binding))
        elif name in fn.outer_names:
            fn.stores.append((name, binding))
            for scope in fn.lexical_parents():
                if name in scope.names and not scope.is_module:
                    scope.names[name].append(binding)
                    return
            self.table.globals_written.setdefault(name, []).append(binding)
        else:
            fn.names.setdefault(name, []).append(binding)

    # -- containers ------------------------------------------------------------------------------------------------

    def mutation(self, mutation: Mutation) -> None:
        self.table.mutations.append(mutation)
        mutation.function.mutations.append(mutation)

    def note_mutating_call(self, node: ast.Call, fn: Function) -> None:
        func = node.func
        if not isinstance(func, ast.Attribute) or func.attr not in ADDING_METHODS:
            return
        add = func.value
        if func.attr == "update":
            for keyword in node.keywords:
                method, key = ("setitem", ast.Constant(keyword.arg)) if keyword.arg else ("update", None)
                self.mutation(Mutation(fn, keyword, add, method, key, keyword.value))
            for arg in node.args:
                self.mutation(Mutation(fn, node, add, "update", None, arg))
        elif func.attr in {"setdefault", "insert"} and len(node.args) == 2:
            method = "setdefault" if func.attr == "setdefault" else "append"
            self.mutation(Mutation(fn, node, add, method, node.args[0], node.args[1]))
        elif node.args:
            method = "extend" if func.attr == "extend" else "append"
            self.mutation(Mutation(fn, node, add, method, None, node.args[0]))


_CONDITIONED = (ast.stmt, ast.Call, ast.Dict, ast.IfExp)
#: What is done with a node of a class; with the others it is `_Walk.visit_fields`.
_VISITS: dict[type[ast.AST], Callable[..., None]] = {
    ast.Name: _Walk.visit_name,
    ast.Constant: _Walk.visit_constant,
    ast.keyword: _Walk.visit_keyword,
    ast.Attribute: _Walk.visit_attribute,
    ast.Call: _Walk.visit_call,
    ast.IfExp: _Walk.visit_if_exp,
    ast.Await: _Walk.visit_await,
    ast.Return: _Walk.visit_return,
    ast.ClassDef: _Walk.visit_class,
    **dict.fromkeys((ast.Yield, ast.YieldFrom), _Walk.visit_yield),
    **dict.fromkeys((ast.If, ast.While), _Walk.visit_branch),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda), _Walk.visit_function),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), _Walk.visit_comprehension),
    **dict.fromkeys((ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr), _Walk.visit_binding),
    **dict.fromkeys((ast.For, ast.AsyncFor, ast.withitem, ast.ExceptHandler), _Walk.visit_binding),
    **dict.fromkeys((ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal), _Walk.visit_binding),
    **dict.fromkeys((ast.MatchAs, ast.MatchStar, ast.MatchMapping), _Walk.visit_binding),
}


def _words_in(annotation: ast.expr) -> Iterator[str]:
    """Yield the identifiers of an annotation, those in its texts included."""
    for node in walk(annotation):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word):
                yield word
            case ast.Constant(value=str(text)):
                yield from re.findall(r"\w+", text)
            case _:
                continue


def _with_flags(body: list[ast.stmt], cond: Condition) -> Condition:
    """The condition of a branch, with the flags that it sets: `if quiet: out = PIPE; capture = True`."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name() as flag], value=ast.Constant(value=bool(truth))):
                cond = Condition(flag, truth, cond)
            case _:
                continue
    return cond


def targets(target: ast.expr, path: tuple[int, ...] = ()) -> Iterator[tuple[ast.expr, tuple[int, ...]]]:
    """Yield the leaves of an assignment target with the path that leads to each through nested tuples."""
    match target:
        case ast.Tuple() | ast.List():
            for index, element in enumerate(target.elts):
                yield from targets(element, (*path, index))
        case ast.Starred():
            yield from targets(target.value, (*path, -1))
        case _:
            yield target, path
