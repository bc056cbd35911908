"""Fixes for `preexec_fn`: the keywords of Popen that do the same between fork and exec, in C."""

from __future__ import annotations

import ast
from typing import NamedTuple

from flake8_forksafe.finding import Span
from flake8_forksafe.fix import Edit, Fix, RenameArgument, ReplaceExpression, RequireImport, Safety, SetArgument
from flake8_forksafe.model.hooks import Hook
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Function
from flake8_forksafe.model.values import FunctionReference, Partial

_GROUPS = frozenset({"start_new_session", "process_group"})
_TWINS = frozenset({"subprocess32", "gevent", "eventlet"})
_PREEXEC = "preexec_fn"


class _Keyword(NamedTuple):
    name: str
    code: str


def as_keywords(module: ModuleModel, hook: Hook) -> Fix | None:
    """Write what the hook does as keywords; None where one of its acts has no keyword on the target Python.

    Safe for a new session or group and the umask, which Popen sets in the same place. Unsafe for user, group, extra
    groups and directory: their values are then computed in the parent, which also meets the error if that fails.
    """
    keywords = _keywords(module, hook)
    if keywords is None:
        return None
    given = [k for k in keywords if hook.spawn.arguments.get(k.name)]
    if any(not _is_given(hook, k) for k in given):
        return None
    keywords = [k for k in keywords if k not in given]
    imports = _imports(module, hook, keywords)
    if imports is None:
        return None
    edits = _edits(module, hook, keywords)
    if not edits:
        return None
    plain = all(k.name in _GROUPS | {"umask"} for k in keywords)
    names = " and ".join(f"{k.name}={k.code}" for k in keywords)
    title = f"use {names} in place of preexec_fn" if keywords else "drop preexec_fn"
    return Fix(Safety.SAFE if plain else Safety.UNSAFE, (*edits, *imports), title)


# -- what to write ---------------------------------------------------------------------------------------------------


def _keywords(module: ModuleModel, hook: Hook) -> list[_Keyword] | None:
    """The keywords that together do all that the hook does; None if there are none for a part of it."""
    if hook.effects is None or hook.spawn.arguments.get("restore_signals") or not _is_always_run(module, hook):
        return None
    found: dict[str, str] = {}
    for effect in hook.effects:
        if effect.needless:
            continue
        keyword = effect.keyword
        if keyword is None or keyword.since > module.settings.target_version:
            return None
        name, _, code = keyword.text.partition("=")
        if name != "start_new_session" and _imports_twin(module):
            return None
        if found.setdefault(name, code) != code:
            return None
    grouped = {*found, *(name for name in _GROUPS if hook.spawn.arguments.get(name))}
    if grouped >= _GROUPS or (hook.effects and _forgives_errors(hook) and not found.keys() <= _GROUPS):
        return None
    if any(not _means_the_same(module, hook, code) for code in found.values()):
        return None
    return [_Keyword(name, code) for name, code in found.items()]


def _imports_twin(module: ModuleModel) -> bool:
    """Whether the module imports a twin of subprocess, which may lack the newer keywords."""
    bindings = (b for group in module.scopes.module.names.values() for b in group)
    return any(b.imported.partition(".")[0] in _TWINS for b in bindings)


def _is_always_run(module: ModuleModel, hook: Hook) -> bool:
    """Whether the place where the hook is written gives it on every branch; `getattr(os, "setsid", None)` counts."""
    value = hook.node.value if isinstance(hook.node, ast.keyword | ast.Assign) else hook.node
    around = module.syntax.parent(hook.node)
    if isinstance(around, ast.Dict):
        value = next(v for k, v in zip(around.keys, around.values, strict=True) if hook.node in (k, v))
    home = _home(module, hook)
    match value:
        case ast.Lambda():
            return True
        case ast.Name() | ast.Attribute():
            return home is not None and module.evaluator.eval(value, home, None) == hook.values
        case _:
            return not any(isinstance(part, ast.IfExp | ast.BoolOp) for part in ast.walk(value))


def _forgives_errors(hook: Hook) -> bool:
    """Whether the hook goes on after an error of one of its calls, which a keyword never does."""
    return any(isinstance(part, ast.Try) for f in _functions(hook) for part in ast.walk(f.node))


def _functions(hook: Hook) -> list[Function]:
    return [v.function for v in hook.values if isinstance(v, FunctionReference)]


def _means_the_same(module: ModuleModel, hook: Hook, code: str) -> bool:
    """Whether the names in `code`, taken from the hook, stand for the same where the child is started."""
    names = {n.id for n in ast.walk(ast.parse(code, mode="eval")) if isinstance(n, ast.Name)}
    if not names:
        return True
    if any(isinstance(v, Partial) for v in hook.values):
        return False
    caller = _home(module, hook)
    hooks = _functions(hook)
    if caller is None or len(hooks) != 1:
        return False
    function = hooks[0]
    for name in names:
        if name in function.names:
            return False
        scope = _binder(name, function)
        if scope is not _binder(name, caller) or (scope is not None and len(scope.names[name]) != 1):
            return False
    return True


def _binder(name: str, function: Function) -> Function | None:
    """The scope that binds `name` as `function` sees it; None for builtins."""
    return next((s for s in (function, *function.lexical_parents()) if name in s.names), None)


def _home(module: ModuleModel, hook: Hook) -> Function | None:
    """The function in which the hook is given."""
    for around in (hook.node, *module.syntax.parents(hook.node)):
        if isinstance(around, ast.Call) and around in module.scopes.home:
            return module.scopes.home[around]
        if around in module.scopes.by_node:
            return module.scopes.by_node[around]
    return None


def _is_given(hook: Hook, keyword: _Keyword) -> bool:
    """Whether the call itself already says the same."""
    written = [ast.unparse(a.value) for a in hook.spawn.arguments.get(keyword.name)]
    return written == [keyword.code]


def _imports(module: ModuleModel, hook: Hook, keywords: list[_Keyword]) -> tuple[RequireImport, ...] | None:
    """The import that `os.getgrouplist` needs; None if its name is taken."""
    if not any("os.getgrouplist" in k.code for k in keywords):
        return ()
    home = _home(module, hook)
    spelling = module.speller.spell("os.getgrouplist", home) if home is not None else None
    return spelling.imports if spelling is not None and spelling.code == "os.getgrouplist" else None


# -- where to write it -----------------------------------------------------------------------------------------------


def _edits(module: ModuleModel, hook: Hook, keywords: list[_Keyword]) -> tuple[Edit, ...]:
    around = module.syntax.parent(hook.node)
    match hook.node, around:
        case ast.keyword(), ast.Call() if _hands_on(module, hook, around, keywords):
            return _in_call(around, keywords)
        case ast.expr(), ast.Call() if around is hook.spawn.call and hook.node in around.args:
            added = (SetArgument(Span.of(around), k.name, k.code) for k in keywords)
            return (ReplaceExpression(Span.of(hook.node), "None"), *added)
        case ast.expr(), ast.Dict(keys=keys, values=values) if len(keywords) == 1:
            index = next(i for i, n in enumerate(zip(keys, values, strict=True)) if hook.node in n)
            return _in_dict(module, keys[index], values[index], keywords[0])
        case ast.Assign(targets=[ast.Subscript(slice=key)], value=value), _ if len(keywords) == 1:
            return _in_dict(module, key, value, keywords[0])
        case _:
            return ()


def _in_call(call: ast.Call, keywords: list[_Keyword]) -> tuple[Edit, ...]:
    span = Span.of(call)
    if not keywords:
        return (SetArgument(span, _PREEXEC, None),)
    first, *rest = keywords
    return (
        RenameArgument(span, _PREEXEC, first.name, first.code),
        *(SetArgument(span, k.name, k.code) for k in rest),
    )


def _in_dict(module: ModuleModel, key: ast.expr | None, value: ast.expr, keyword: _Keyword) -> tuple[Edit, ...]:
    """The entry of a dict of options, if no other place of the module speaks of that entry."""
    match key:
        case ast.Constant(value="preexec_fn"):
            pass
        case _:
            return ()
    root = next((p for p in module.syntax.parents(key) if isinstance(p, ast.Module)), None)
    if root is None or sum(isinstance(n, ast.Constant) and n.value == _PREEXEC for n in ast.walk(root)) != 1:
        return ()
    return (ReplaceExpression(Span.of(key), f'"{keyword.name}"'), ReplaceExpression(Span.of(value), keyword.code))


def _hands_on(module: ModuleModel, hook: Hook, call: ast.Call, keywords: list[_Keyword]) -> bool:
    """Whether a call gives its keywords to Popen under the same names."""
    if call is hook.spawn.call:
        return not hook.spawn.arguments.open or all(k.name in _GROUPS for k in keywords)
    match call.func:
        case ast.Name(id="dict") | ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"):
            return True
        case _:
            pass
    home = module.scopes.home.get(call)
    if home is None:
        return False
    callees = module.evaluator.eval(call.func, home, None)
    functions = [v.function for v in callees if isinstance(v, FunctionReference)]
    taken = {_PREEXEC, *(k.name for k in keywords)}
    return len(functions) == len(callees) == 1 and all(_spreads(f, hook) and not _takes(f, taken) for f in functions)


def _takes(function: Function, names: set[str]) -> bool:
    args = function.arguments
    own = [*args.posonlyargs, *args.args, *args.kwonlyargs] if args is not None else []
    return any(a.arg in names for a in own)


def _spreads(function: Function, hook: Hook) -> bool:
    """Whether a function hands its `**kwargs` straight to the call that starts the child."""
    args, call = function.arguments, hook.spawn.call
    if args is None or args.kwarg is None or call is None or call not in function.calls:
        return False
    return any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == args.kwarg.arg for k in call.keywords)
