"""The same program in other words: what the catalogue says must not hide a hazard.

A disguise rewrites the tree of a program so that it does what it did. Each returns the rewritten tree, or None where
the program has nothing of the kind:

- `aliased_imports`: every import binds another name (`import subprocess as other_subprocess`, `from os import fork as
  other_fork`), and every use follows.
- `late_imports`: every function imports what it uses itself.
- `attributes`: what a constructor makes is kept in an attribute. A local becomes `self.<name>`, the function that has
  it a method of a class of its own; a global becomes an attribute of a class.
- `wrappers`: every constructor is called through a function of the module, `def make(*args, **kwargs)`.
- `factories`: the same with the arguments written down in that function; it takes only the locals that they need.
- `rebound_names`: every constructor is called by a name that an assignment gives it, `make = subprocess.Popen`.

Every node keeps the line number it had, and what is new has the line of what it replaces, so that `reported` can say
which lines of the original program a report on the disguised one means.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from flake8_forksafe import analysis
from flake8_forksafe.rule import Rule
from flake8_forksafe.settings import Settings
from flake8_forksafe.stdlib.names import canonical
from flake8_forksafe.stdlib.objects import CONSTRUCTORS
from flake8_forksafe.stdlib.subprocess import SPAWNERS

_Placed = ast.expr | ast.stmt | ast.excepthandler | ast.keyword | ast.arg | ast.alias
Disguise = Callable[[ast.Module], ast.Module | None]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_COROUTINES = frozenset({"asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"})
_FORKS = frozenset({"os.fork", "os.forkpty", "pty.fork"})
_MAKES = frozenset(
    {*SPAWNERS, *CONSTRUCTORS, *_FORKS, "multiprocessing.Process", "multiprocessing.get_context", "os.pipe", "os.pipe2"}
)
#: Made once and asked everywhere, or no object to keep: nobody wraps these.
_NOT_MADE = frozenset({"asyncio.get_event_loop", "asyncio.get_running_loop", "select.poll", "select.epoll"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def reported(
    disguised: ast.Module, *, filename: str, settings: Settings, rules: list[Rule], shebang: bool = False
) -> Counter[tuple[int, str]]:
    """Analyse the text of a disguised program and count the reports by line of the original program and code.

    The tree of a script says nothing of its first line: `shebang` adds one.
    """
    text = "#!/usr/bin/env python3\n" * shebang + ast.unparse(disguised)
    lines = dict(_original_lines(disguised, ast.parse(text)))
    findings = analysis.check_source(text.encode(), filename=filename, settings=settings, rules=rules)
    return Counter((lines[finding.span.line, finding.span.column], finding.code) for finding in findings)


def _original_lines(original: ast.AST, parsed: ast.AST) -> Iterator[tuple[tuple[int, int], int]]:
    """Where each node of the parsed text stands, and the line of the node it was written from; outer nodes last."""
    assert type(original) is type(parsed), f"{ast.dump(original)} was read back as {ast.dump(parsed)}"
    if not isinstance(original, ast.JoinedStr):
        for one, other in zip(ast.iter_child_nodes(original), ast.iter_child_nodes(parsed), strict=True):
            yield from _original_lines(one, other)
    if isinstance(original, _Placed) and isinstance(parsed, _Placed):
        yield (parsed.lineno, parsed.col_offset), original.lineno


# -- aliased imports ---------------------------------------------------------------------------------------------------


def aliased_imports(tree: ast.Module) -> ast.Module | None:
    """Let every import bind another name."""
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    taken |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    taken |= _defined(ast.walk(tree))
    aliasing = _Aliasing(taken, _dotted_imports(tree))
    disguised = copy.deepcopy(tree)
    aliasing.visit(disguised)
    return disguised if aliasing.renamed else None


def _defined(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def _dotted_imports(tree: ast.Module) -> dict[str, str]:
    """`import a.b` without `as`, and the alias under which all of `a.b` is used: `os.path` is no `os`."""
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if not alias.asname
    ]
    return {name: f"other_{name.replace('.', '_')}" for name in imported if "." in name}


class _Aliasing(ast.NodeTransformer):
    def __init__(self, taken: set[str], dotted: dict[str, str]) -> None:
        self.taken = taken
        self.dotted = dotted
        self.renamed: dict[str, str] = {}

    def visit_Module(self, node: ast.Module) -> ast.AST:
        for statement in ast.walk(node):
            match statement:
                case ast.ImportFrom(module="__future__"):
                    pass
                case ast.Import(names=names) | ast.ImportFrom(names=names):
                    for alias in names:
                        self._rename(alias)
                case _:
                    pass
        return self.generic_visit(node)

    def _rename(self, alias: ast.alias) -> None:
        bound = alias.asname or alias.name
        if alias.name == "*" or bound in self.taken:
            return
        alias.asname = self.renamed[bound] = self.dotted.get(bound, f"other_{bound}")

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        alias = self.dotted.get(ast.unparse(node))
        return ast.copy_location(ast.Name(alias, node.ctx), node) if alias else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(self.renamed.get(node.id, node.id), node.ctx), node)


# -- late imports ------------------------------------------------------------------------------------------------------


def late_imports(tree: ast.Module) -> ast.Module | None:
    """Let every function import what it uses; the module still imports what it uses outside of functions."""
    disguised = copy.deepcopy(tree)
    bodies = [disguised.body, *(s.body for s in disguised.body if isinstance(s, ast.ClassDef))]
    functions = [s for body in bodies for s in body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for statement in function.body for node in ast.walk(statement)}
    outside = {node.id for node in ast.walk(disguised) if isinstance(node, ast.Name) and id(node) not in inside}
    changed = False
    imports = [s for s in disguised.body if isinstance(s, ast.Import | ast.ImportFrom) and not _is_fixed(s)]
    for statement in imports:
        bound = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
        users = [f for f in functions if any(bound & _names(s) for s in f.body)]
        for function in users:
            function.body.insert(int(ast.get_docstring(function) is not None), copy.deepcopy(statement))
            changed = True
        if users and not bound & outside:
            disguised.body.remove(statement)
    return disguised if changed else None


def _is_fixed(statement: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import can stand at the top of a module only."""
    future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    return future or any(alias.name == "*" for alias in statement.names)


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


# -- what is made where ------------------------------------------------------------------------------------------------


class _Names:
    """What the names of a program stand for, by its imports and the classes it derives from what they bind."""

    def __init__(self, tree: ast.Module) -> None:
        self.imported: dict[str, str] = {}
        self.classes: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        head = alias.name.partition(".")[0]
                        self.imported[alias.asname or head] = alias.name if alias.asname else head
                case ast.ImportFrom(module=str(module), names=names):
                    for alias in names:
                        self.imported[alias.asname or alias.name] = f"{module}.{alias.name}"
                case _:
                    pass
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.bases and (base := self.resolve(node.bases[0])) in _MAKES:
                self.imported[node.name] = base
                self.classes.add(node.name)

    def resolve(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return canonical(self.imported.get(name, ""))
            case ast.Attribute(value=value, attr=attr) if owner := self.resolve(value):
                return canonical(f"{owner}.{attr}")
            case _:
                return ""

    def made(self, node: ast.AST) -> str:
        """The constructor that `node` calls, empty if it is none."""
        match node:
            case ast.Call(func=func) if (name := self.resolve(func)) in _MAKES and name not in _NOT_MADE:
                return name
            case _:
                return ""


# -- attributes --------------------------------------------------------------------------------------------------------


def attributes(tree: ast.Module) -> ast.Module | None:
    """Keep in attributes what constructors make."""
    disguised = copy.deepcopy(tree)
    names = _Names(disguised)
    moved: dict[str, str] = {}
    body: list[ast.stmt] = []
    changed = False
    for statement in disguised.body:
        kept = statement
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not statement.decorator_list and (
                locals_ := _kept_locals(statement, names)
            ):
                _Selves(locals_, "self").inside(statement)
                kept = _as_method(statement)
                moved[statement.name] = kept.name
            case ast.ClassDef():
                changed |= _keep_in_methods(statement, names)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if names.made(value) and _bound_once(
                name, disguised
            ):
                kept = ast.ClassDef(f"Shared{_camel(name)}", [], [], [statement], [])
                moved[name] = kept.name
            case _:
                pass
        body.append(ast.copy_location(kept, statement))
    disguised.body = body
    if not moved and not changed:
        return None
    _Moving(moved, disguised).visit(disguised)
    return ast.fix_missing_locations(disguised)


def _kept_locals(function: FunctionNode, names: _Names) -> set[str]:
    """The locals of `function` to which something made is assigned, and nothing else than assignments bind."""
    foreign = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    for scope in ast.walk(function):
        if isinstance(scope, _SCOPES) and scope is not function:
            foreign.update(_stored(scope))
    made: set[str] = set()
    assigned: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    for node in ast.walk(function):
        match node:
            case ast.Global(names=outer) | ast.Nonlocal(names=outer):
                foreign |= set(outer)
            case ast.Name(id=name, ctx=ast.Store()):
                stored[name] += 1
            case ast.ExceptHandler(name=str(name)):
                foreign.add(name)
            case _:
                pass
        match node:
            case ast.Assign(targets=targets, value=value):
                bound = [bound_name for target in targets for bound_name in _stored(target)]
                assigned.update(bound)
                if any(map(names.made, _sources(value))):
                    made |= set(bound)
            case ast.AugAssign(target=ast.Name(id=name)) | ast.AnnAssign(target=ast.Name(id=name)):
                assigned[name] += 1
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                assigned[name] += 1
                if any(map(names.made, _sources(value))):
                    made.add(name)
            case _:
                pass
    return {name for name in made - foreign if assigned[name] == stored[name]}


def _stored(tree: ast.AST) -> list[str]:
    """The names that are bound by assignment anywhere in `tree`."""
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _sources(value: ast.expr) -> list[ast.expr]:
    match value:
        case ast.Await(value=inner):
            return [inner]
        case ast.Tuple(elts=elements):
            return elements
        case _:
            return [value]


def _bound_once(name: str, tree: ast.Module) -> bool:
    stores = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)]
    others = [n for n in ast.walk(tree) if isinstance(n, ast.arg) and n.arg == name]
    return len(stores) == 1 and not others


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _as_method(function: FunctionNode) -> ast.ClassDef:
    function.args.args.insert(0, ast.arg("self"))
    return ast.ClassDef(f"{_camel(function.name)}Owner", [], [], [function], [])


def _keep_in_methods(cls: ast.ClassDef, names: _Names) -> bool:
    changed = False
    for method in cls.body:
        if not isinstance(method, FunctionNode) or method.decorator_list or not method.args.args:
            continue
        if locals_ := _kept_locals(method, names):
            _Selves(locals_, method.args.args[0].arg).inside(method)
            changed = True
    return changed


class _Selves(ast.NodeTransformer):
    """Writes `self.<name>` for each of some names."""

    def __init__(self, names: set[str], receiver: str) -> None:
        self.names = names
        self.receiver = receiver

    def inside(self, function: FunctionNode) -> None:
        function.body = [self.visit(statement) for statement in function.body]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.names:
            return node
        return ast.copy_location(ast.Attribute(ast.Name(self.receiver, ast.Load()), node.id, node.ctx), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.simple = int(isinstance(node.target, ast.Name))
        return node


class _Moving(ast.NodeTransformer):
    """Follows functions into their owners and globals into their classes."""

    def __init__(self, moved: dict[str, str], tree: ast.Module) -> None:
        self.moved = moved
        self.owners = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.owner = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if self.owners.get(node.name) is node and node.name in self.moved.values():
            if node.name.startswith("Shared"):
                node.body = [node.body[0]]
                assert isinstance(node.body[0], ast.Assign)
                node.body[0].value = self.visit(node.body[0].value)
                return node
            self.owner = node.name
        self.generic_visit(node)
        self.owner = ""
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        owner = self.moved.get(node.id)
        if owner is None or isinstance(node.ctx, ast.Store):
            return node
        holder: ast.expr = ast.Name(owner, ast.Load())
        if not owner.startswith("Shared"):
            holder = ast.Name("self", ast.Load()) if owner == self.owner else ast.Call(holder, [], [])
        return ast.copy_location(ast.Attribute(holder, node.id, node.ctx), node)


# -- wrappers and factories --------------------------------------------------------------------------------------------


def wrappers(tree: ast.Module) -> ast.Module | None:
    """Call every constructor through a function that passes all arguments on."""
    return _through_functions(tree, _wrapper)


def factories(tree: ast.Module) -> ast.Module | None:
    """Call every constructor through a function that knows the arguments."""
    return _through_functions(tree, _factory)


def rebound_names(tree: ast.Module) -> ast.Module | None:
    """Call every constructor by a name that an assignment gives it."""
    return _through_functions(tree, None)


Parts = tuple[ast.arguments, ast.Call, ast.Call]
Split = Callable[[ast.Call, str, set[str]], Parts | None]


def _through_functions(tree: ast.Module, parts: Split | None) -> ast.Module | None:
    disguised = copy.deepcopy(tree)
    names = _Names(disguised)
    imported = _imported_at_top(disguised)
    top = imported | _defined(disguised.body)
    top |= {
        name for s in disguised.body if isinstance(s, ast.Assign) for target in s.targets for name in _stored(target)
    }
    replacing = _Replacing(names, top, parts)
    disguised.body = [replacing.visit(statement) for statement in disguised.body]
    if not replacing.functions:
        return None
    after = max((i + 1 for i, s in enumerate(disguised.body) if _imports(s)), default=0)
    disguised.body[after:after] = replacing.functions
    return ast.fix_missing_locations(disguised)


def _imports(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(statement)) and not isinstance(
        statement, _SCOPES
    )


def _imported_at_top(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name.partition(".")[0]
        for statement in tree.body
        if not isinstance(statement, _SCOPES)
        for node in ast.walk(statement)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


class _Replacing(ast.NodeTransformer):
    def __init__(self, names: _Names, top: set[str], parts: Split | None) -> None:
        self.names = names
        self.top = top
        self.parts = parts
        self.functions: list[ast.stmt] = []

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        made = self.names.made(node)
        head = next(n.id for n in ast.walk(node.func) if isinstance(n, ast.Name)) if made else ""
        if not made or head not in self.top or (self.parts is None and head in self.names.classes):
            return node
        name = f"make_{len(self.functions) + 1}"
        if self.parts is None:
            other = ast.Assign([ast.Name(name, ast.Store())], copy.deepcopy(node.func))
            self.functions.append(ast.copy_location(other, node))
            return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), node.args, node.keywords), node)
        parts = self.parts(node, name, self.top)
        if parts is None:
            return node
        arguments, inner, outer = parts
        ast.copy_location(inner, node)
        if made in _COROUTINES:
            result: ast.expr = ast.Await(inner)
            self.functions.append(ast.AsyncFunctionDef(name, arguments, [ast.Return(result)], []))
        else:
            self.functions.append(ast.FunctionDef(name, arguments, [ast.Return(inner)], []))
        for new in ast.walk(self.functions[-1]):
            if not hasattr(new, "lineno"):
                ast.copy_location(new, node)
        return ast.copy_location(outer, node)


def _wrapper(call: ast.Call, name: str, _top: set[str]) -> Parts | None:
    if not call.args and not call.keywords:
        return _arguments([]), call, ast.Call(ast.Name(name, ast.Load()), [], [])
    rest = [ast.Starred(ast.Name("args", ast.Load()), ast.Load())] if call.args else []
    named = [ast.keyword(None, ast.Name("kwargs", ast.Load()))] if call.keywords else []
    arguments = _arguments([])
    arguments.vararg = ast.arg("args") if call.args else None
    arguments.kwarg = ast.arg("kwargs") if call.keywords else None
    inner = ast.Call(copy.deepcopy(call.func), [*rest], named)
    return arguments, inner, ast.Call(ast.Name(name, ast.Load()), call.args, call.keywords)


def _factory(call: ast.Call, name: str, top: set[str]) -> Parts | None:
    if any(isinstance(n, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr) for n in ast.walk(call)):
        return None
    inside = set(_stored(call)) | {n.arg for n in ast.walk(call) if isinstance(n, ast.arg)}
    if inside:
        return None  # a comprehension or lambda has names of its own
    given = [n.id for n in ast.walk(call) if isinstance(n, ast.Name) and n.id not in top]
    needed = [n for n in dict.fromkeys(given) if not hasattr(builtins, n)]
    outer = ast.Call(ast.Name(name, ast.Load()), [ast.Name(n, ast.Load()) for n in needed], [])
    return _arguments(needed), call, outer


def _arguments(names: list[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
