"""Child processes as the module makes them: which pipes, which shell, which session, which start method."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum, auto

from flake8_forksafe.model.evaluate import Argument, Arguments, Context, Evaluator
from flake8_forksafe.model.events import EventKind
from flake8_forksafe.model.flow import NO_FACTS, Fact, Facts, Flow, consistent
from flake8_forksafe.model.scopes import Binding, BindingKind, Class, Condition, Function
from flake8_forksafe.model.values import (
    ClassReference,
    Collection,
    Constant,
    External,
    FunctionReference,
    Handle,
    Partial,
    Unknown,
    Value,
    Values,
    in_order,
)
from flake8_forksafe.model.walking import walk
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.calls import GROUP_MAKERS
from flake8_forksafe.stdlib.multiprocessing import PROCESS_POSITIONS
from flake8_forksafe.stdlib.subprocess import (
    MAKES_FILE,
    SPAWNERS,
    TEXT_PARAMETERS,
    WINDOWS_FLAGS,
    Family,
    Spawner,
)


class StreamState(Enum):
    """What a child's stdin, stdout or stderr is connected to."""

    PIPE = auto()
    INHERITED = auto()
    DEVNULL = auto()
    STDOUT = auto()
    OTHER = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class StreamSetting:
    """One possible connection of a stream, the tests under which it is chosen, and where it is written."""

    state: StreamState
    facts: Facts
    node: ast.AST


_PIPE: Values = frozenset({External("subprocess.PIPE")})
_STATES = {
    "subprocess.PIPE": StreamState.PIPE,
    "subprocess.DEVNULL": StreamState.DEVNULL,
    "subprocess.STDOUT": StreamState.STDOUT,
}


class Spawn:
    """A call that starts a child, or the promise of a handle whose making is out of sight.

    Attributes:
        call: the call of `Popen`, `run` … itself; None when the making is out of sight.
        name: the canonical name of what is called, `subprocess.run`.
        handle: the handle it makes; None for `run` and its kin.
        arguments: all arguments by name.
        through: for `run` and its kin, the call of a function of the module that gives what the call itself passes on.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what is known of one call, from the one place that gathers it
        self,
        evaluator: Evaluator,
        flow: Flow,
        call: ast.Call | None,
        name: str,
        spawner: Spawner | None,
        function: Function,
        handle: Handle | None,
        arguments: Arguments,
        through: ast.Call | None = None,
    ) -> None:
        """Describe one call."""
        self._evaluator, self._flow = evaluator, flow
        self.call, self.name, self.spawner = call, name, spawner
        self.function, self.handle, self.arguments, self.through = function, handle, arguments, through

    # -- streams ---------------------------------------------------------------------------------------------------

    def stream(self, name: str) -> list[StreamSetting]:
        """All that `name` (`"stdin"`, `"stdout"`, `"stderr"`) may be connected to."""
        given = self.arguments.get(name)
        if not given:
            if self.name == "subprocess.check_output" and name == "stdout":
                return []
            state = StreamState.UNKNOWN if self.arguments.open else StreamState.INHERITED
            return [StreamSetting(state, NO_FACTS, self.call or ast.Pass())]
        found: list[StreamSetting] = []
        around = self._facts_of_call()
        for argument in given:
            facts = self._flow.facts_under(argument.condition, argument.function)
            found.extend(s for s in self._settings(argument.value, argument, facts) if consistent(s.facts | around))
        return found

    def _facts_of_call(self) -> Facts:
        scopes = self._evaluator.scopes
        facts = self._flow.facts_under(scopes.conditions.get(self.call), self.function) if self.call else NO_FACTS
        for outer in (self.through,) if self.through is not None else self.handle.context if self.handle else ():
            facts |= self._flow.facts_under(scopes.conditions.get(outer), scopes.home[outer])
        return facts

    def pipe(self, name: str) -> StreamSetting | None:
        """The setting by which `name` is, or may be, a PIPE; None if nothing in sight makes it one."""
        return next((s for s in self.stream(name) if s.state is StreamState.PIPE), None)

    def output_pipes(self) -> Iterator[tuple[str, StreamSetting]]:
        """The output streams that are or may be PIPE."""
        for name in ("stdout", "stderr"):
            setting = self.pipe(name)
            if setting is not None:
                yield name, setting

    def _settings(self, node: ast.expr, argument: Argument, facts: Facts) -> Iterator[StreamSetting]:
        """Take conditional expressions and names bound under tests apart, so that each value keeps its condition."""
        evaluator = self._evaluator
        function = argument.function
        match node:
            case ast.IfExp(test=test, body=body, orelse=orelse):
                truth = evaluator.truth(test, function, None, argument.context)
                if truth is not False:
                    yield from self._settings(body, argument, facts | self._fact(test, function, truth=True))
                if truth is not True:
                    yield from self._settings(orelse, argument, facts | self._fact(test, function, truth=False))
            case ast.BoolOp(op=ast.Or(), values=[ast.BoolOp(op=ast.And(), values=[test, body]), orelse]):
                yield from self._settings(body, argument, facts | self._fact(test, function, truth=True))
                yield from self._settings(orelse, argument, facts | self._fact(test, function, truth=False))
            case ast.Name(id=name) if bindings := self._assignments(name, function, argument.context):
                for value, condition, statement in bindings:
                    if value is None:
                        yield StreamSetting(StreamState.UNKNOWN, facts, argument.node)
                        continue
                    under = facts | self._flow.facts_under(condition, function)
                    under |= self._flags_behind(statement, function)
                    inner = Argument(value, function, argument.context, argument.node, condition)
                    for found in self._settings(value, inner, under):
                        is_pipe = found.state is StreamState.PIPE
                        known = self._tests_for_pipe(name, function) if is_pipe else NO_FACTS
                        yield StreamSetting(found.state, found.facts | known, found.node)
            case _:
                values = evaluator.eval(node, function, evaluator.step_of_argument(argument), argument.context)
                # -1 alone is what PIPE is in numbers; beside other values it marks a descriptor that is closed.
                possible = {_state(v) for v in values if len(values) == 1 or v != Constant(-1)}
                if StreamState.UNKNOWN in possible and self._is_file(node, function, argument.context):
                    possible = possible - {StreamState.UNKNOWN} | {StreamState.OTHER}
                for state in sorted(possible, key=lambda s: s.value):
                    if state is StreamState.PIPE and isinstance(node, ast.Name):
                        yield StreamSetting(state, facts | self._known_of_pipe(node.id, function), argument.node)
                    else:
                        yield StreamSetting(state, facts, argument.node)

    def _is_file(self, node: ast.expr, function: Function, context: Context) -> bool:
        """Whether a stream surely goes to an open file: `open(...)`, or a name that stands for nothing else."""
        evaluator = self._evaluator
        match node:
            case ast.Call(func=func):
                callees = evaluator.eval(func, function, None, context)
                return all(isinstance(c, External) and c.name in MAKES_FILE for c in callees)
            case ast.Name(id=name):
                known = function.names.get(name)
                bindings = evaluator.scopes.names_of_module(name) if known is None else known
                return bool(bindings) and all(self._binds_file(b, name, context if known else ()) for b in bindings)
            case _:
                return False

    def _binds_file(self, binding: Binding, name: str, context: Context) -> bool:
        """Whether a binding makes a name stand for an open file."""
        match binding:
            case Binding(kind=BindingKind.ASSIGN | BindingKind.ENTER, value=ast.Call() as value, path=()):
                return self._is_file(value, binding.function, context)
            case Binding(kind=BindingKind.PARAMETER) if context:
                given = self._evaluator.given(context[-1], binding.function, context[:-1]).get(name)
                return bool(given) and all(self._is_file(a.value, a.function, a.context) for a in given)
            case _:
                return False

    def _known_of_pipe(self, name: str, function: Function) -> Facts:
        """What holds at the call where `name` is PIPE: tests for just that, and flags set together with it."""
        bindings = function.names.get(name, [])
        makers = [b for b in bindings if b.value is not None and self._evaluator.binding_values(b, ()) >= _PIPE]
        common = [self._flags_behind(b.statement, function) for b in makers[:8]]
        together = common[0].intersection(*common[1:]) if common and len(makers) <= len(common) else NO_FACTS
        return together | self._tests_for_pipe(name, function)

    def _tests_for_pipe(self, name: str, function: Function) -> Facts:
        """The tests whether `name` is PIPE, known to hold where it is and is not bound again."""
        call, bindings = self.call, function.names.get(name, [])
        if call is None or function is not self.function:
            return NO_FACTS
        if any(getattr(b.statement, "lineno", 0) > call.lineno for b in bindings):
            return NO_FACTS
        facts: set[Fact] = set()
        for test in walk(function.node):
            match test:
                case ast.Compare(left=ast.Name(id=left), ops=[_], comparators=[right]) if left == name:
                    key = self._flow.key(test) if self._evaluator.eval(right, function, None) == _PIPE else None
                    facts |= {(key[0], True)} if key is not None else set()
                case _:
                    continue
        return frozenset(facts)

    def _flags_behind(self, statement: ast.AST, function: Function) -> Facts:
        """The flags that hold at the call where `statement` has been passed."""
        if self.call is None or function is not self.function:
            return NO_FACTS
        return self._flow.flags_behind(statement, self.call, function)

    def _assignments(
        self, name: str, function: Function, context: Context
    ) -> list[tuple[ast.expr | None, Condition | None, ast.AST]]:
        """The assignments of a local that `context` can reach, if it has nothing else; None is a part of a value."""
        bindings = function.names.get(name, [])
        if (
            name in function.outer_names
            or not bindings
            or any(b.value is None or not isinstance(b.statement, ast.Assign | ast.AnnAssign) for b in bindings)
            or all(b.path for b in bindings)
        ):
            return []
        conditions = self._evaluator.scopes.conditions
        found = [(None if b.path else b.value, conditions.get(b.statement), b.statement) for b in bindings]
        if any(isinstance(v, ast.Name) and v.id == name for v, _, _ in found):
            return []
        if len(found) > 1 and all(condition is None for _, condition, _ in found):
            return []  # plain re-assignment: the order decides, and the evaluator knows it
        reached = [f for f in found if not (context and self._evaluator.reach.excludes(f[2], function, context))]
        return reached if len(reached) < 8 else []

    def _fact(self, test: ast.expr, function: Function, *, truth: bool) -> Facts:
        return self._flow.facts_under(Condition(test, truth, None), function)

    # -- other settings --------------------------------------------------------------------------------------------

    def values(self, name: str) -> Values:
        """What may be given for `name`; empty when nothing is."""
        found: set[Value] = set()
        for argument in self.arguments.get(name):
            found |= self._evaluator.eval_argument(argument)
        return frozenset(found)

    def flag(self, name: str, *, default: bool = False) -> bool | None:
        """The truth of a boolean setting; None when it cannot be seen or may be both."""
        if not self.arguments.get(name):
            return None if self.arguments.open else default
        truths = {bool(v.value) if isinstance(v, Constant) else None for v in self.values(name)}
        return truths.pop() if len(truths) == 1 else None

    @property
    def shell(self) -> bool | None:
        """Whether the command goes through a shell."""
        if self.spawner is not None and self.spawner.shell:
            return True
        flag = self.flag("shell")
        if flag is False and self._runs_shell_by_name():
            return True
        return flag

    def _runs_shell_by_name(self) -> bool:
        """`["bash", "-c", …]` and its kin."""
        words = self._literal_words()
        return (
            len(words) >= 2
            and words[0].rpartition("/")[2] in {"sh", "bash", "dash", "ash", "zsh", "ksh"}
            and words[1].startswith("-")
            and words[1].endswith("c")
        )

    def _literal_words(self) -> list[str]:
        if self.spawner is not None and self.name == "asyncio.create_subprocess_exec" and self.call is not None:
            items: list[ast.expr] = list(self.call.args)
            function = self.function
        else:
            for value in in_order(self.values("args")):
                if isinstance(value, Collection) and isinstance(value.node, ast.List | ast.Tuple):
                    items, function = list(value.node.elts), value.function
                    break
            else:
                return []
        words: list[str] = []
        for item in items:
            match item:
                case ast.Constant(value=str(text)):
                    words.append(text)
                case ast.Name() | ast.Attribute():
                    texts = [
                        v.value
                        for v in self._evaluator.eval(item, function, None)
                        if isinstance(v, Constant) and isinstance(v.value, str)
                    ]
                    words.append(texts[0] if len(texts) == 1 else "")
                case _:
                    words.append("")
        return words

    @property
    def command_begins_with_exec(self) -> bool:
        """Whether the shell command is a literal that begins with `exec `, so that the shell becomes the command."""
        for argument in self.arguments.get("args"):
            text = _leading_text(argument.value)
            if text is None:
                values = self._evaluator.eval_argument(argument)
                texts = [v.value for v in values if isinstance(v, Constant) and isinstance(v.value, str)]
                text = texts[0] if len(texts) == len(values) == 1 else None
            if text is None:
                for value in in_order(self.values("args")):
                    if isinstance(value, Collection) and isinstance(value.node, ast.List) and len(value.node.elts) == 3:
                        text = _leading_text(value.node.elts[2])
            if text is not None and text.lstrip().startswith("exec "):
                return True
        if self.name == "asyncio.create_subprocess_exec" and self.call is not None and len(self.call.args) == 3:
            text = _leading_text(self.call.args[2])
            return text is not None and text.lstrip().startswith("exec ")
        return False

    @property
    def text_mode(self) -> bool | None:
        """True for text pipes, False for bytes, None when it cannot be seen."""
        flags = [self.flag(name) for name in TEXT_PARAMETERS]
        if any(flag is True for flag in flags):
            return True
        if any(self.arguments.get(name) and self.flag(name) is None for name in TEXT_PARAMETERS):
            return None
        return None if self.arguments.open else False

    @property
    def is_for_windows(self) -> bool:
        """Whether it is sure to ask for what POSIX does not have, so that the call fails there: `creationflags=…`."""
        given, values = self.arguments.get("creationflags"), self.values("creationflags")
        asked = all(isinstance(v, External) and v.name in WINDOWS_FLAGS for v in values)
        return bool(given) and asked and all(a.condition is None for a in given)

    @property
    def own_group(self) -> bool | None:
        """Whether the child starts in a session or process group of its own; None when it cannot be seen."""
        if self.flag("start_new_session") is True or self._runs_setsid():
            return True
        group = self.values("process_group")
        if group and Constant(None) not in group:
            return True
        hooks = {self._makes_group(v) for v in self.values("preexec_fn") if v != Constant(None)}
        target = {self._makes_group(v) for v in self.values("target")}
        if hooks == {True} or target == {True}:
            return True
        if None in hooks | target or True in hooks | target:
            return None
        if self.arguments.open or self.flag("start_new_session") is None:
            return None
        return False

    def _runs_setsid(self) -> bool:
        """`["setsid", …]`."""
        words = self._literal_words() if self.handle and self.handle.family is not Family.MULTIPROCESSING else []
        return self.flag("shell") is False and bool(words) and words[0].rpartition("/")[2] == "setsid"

    def _makes_group(self, code: Value) -> bool | None:
        """Whether code that runs in the child puts it into a group of its own; None when not all of it is in sight."""
        match code:
            case External(name):
                return True if name in GROUP_MAKERS else None
            case Partial(function=inner):
                return self._makes_group(inner)
            case FunctionReference(function=function):
                inside = self._flow.reachable(function)
                called = {
                    e.call: e.subject.name
                    for f in inside
                    for e in self._flow.within(f)
                    if e.kind is EventKind.EXTERNAL and isinstance(e.subject, External)
                }
                if any(name in GROUP_MAKERS for name in called.values()):
                    return True
                if self.name == "multiprocessing.Process":
                    return False
                return False if all(call in called for f in inside for call in f.calls) else None
            case _:
                return None


class Children:
    """Finds the spawn behind each handle and each `run`-like call."""

    def __init__(self, evaluator: Evaluator, flow: Flow) -> None:
        """Prepare for one module."""
        self._evaluator, self._flow = evaluator, flow
        self._spawns: dict[Handle, Spawn] = {}

    def of(self, handle: Handle) -> Spawn:
        """The spawn that made `handle`."""
        known = self._spawns.get(handle)
        if known is None:
            known = self._spawns[handle] = self._describe(handle)
        return known

    def entries(self, handle: Handle) -> list[Function]:
        """The functions of the module in which a multiprocessing child begins: its target, or its class's `run`."""
        targets = in_order(self.of(handle).values("target"))
        found = [v.function for v in targets if isinstance(v, FunctionReference)]
        found += [
            value.function.function
            for value in targets
            if isinstance(value, Partial) and isinstance(value.function, FunctionReference)
        ]
        cls = self.class_of(handle)
        run = self._evaluator.find_method(cls, "run") if cls is not None else None
        return [*found, run] if run is not None else found

    def class_of(self, handle: Handle) -> Class | None:
        """The class of the module that a handle is an object of; None for those of the library's own classes."""
        evaluator = self._evaluator
        match handle.site:
            case ast.ClassDef() as node:
                return evaluator.scopes.class_by_node[node]
            case ast.Call(func=func) as call:
                home = evaluator.scopes.home[call]
                steps = evaluator.locate(home, call)
                callees = evaluator.eval(func, home, steps[0] if steps else None, handle.context)
                return next((c.cls for c in in_order(callees) if isinstance(c, ClassReference)), None)
            case _:
                return None

    def of_call(self, call: ast.Call, name: str, function: Function) -> Spawn:
        """The spawn of a call of `subprocess.run` or its kin."""
        spawner = SPAWNERS[name]
        arguments = self._evaluator.arguments(call, spawner.positions, function, ())
        return Spawn(self._evaluator, self._flow, call, name, spawner, function, None, arguments)

    def through_callers(self, spawn: Spawn) -> Iterator[Spawn]:
        """A call of `subprocess.run` or its kin as each caller in the module of its function fills in the arguments."""
        if spawn.call is None or spawn.spawner is None or spawn.function.is_module:
            return
        evaluator = self._evaluator
        for outer in (i.call for i in evaluator.invocations(spawn.function) if i.direct):
            arguments = evaluator.arguments(spawn.call, spawn.spawner.positions, spawn.function, (outer,))
            yield Spawn(
                evaluator, self._flow, spawn.call, spawn.name, spawn.spawner, spawn.function, None, arguments, outer
            )

    def _describe(self, handle: Handle) -> Spawn:
        call = handle.site
        evaluator = self._evaluator
        if isinstance(call, ast.ClassDef):
            return self._subclass(handle, evaluator.scopes.class_by_node[call], None, evaluator.scopes.module)
        if not isinstance(call, ast.Call):
            return Spawn(evaluator, self._flow, None, "", None, evaluator.scopes.module, handle, Arguments(open=True))
        home = evaluator.scopes.home[call]
        context = handle.context
        steps = evaluator.locate(home, call)
        callees = in_order(evaluator.eval(call.func, home, steps[0] if steps else None, context))
        for callee in sorted(callees, key=lambda v: isinstance(v, Unknown)):
            match callee:
                case External(name) if name in SPAWNERS:
                    arguments = evaluator.arguments(call, SPAWNERS[name].positions, home, context)
                    return Spawn(evaluator, self._flow, call, name, SPAWNERS[name], home, handle, arguments)
                case External(name) if name in evaluator.settings.process_factories:
                    arguments = evaluator.arguments(call, (), home, context)
                    return Spawn(evaluator, self._flow, call, name, None, home, handle, arguments)
                case ClassReference(cls):
                    return self._subclass(handle, cls, call, home)
                case Partial(function=External(name), call=outer) if name in SPAWNERS:
                    arguments = evaluator.arguments(call, (), home, context)
                    inner_home = evaluator.scopes.home[outer]
                    fixed = evaluator.arguments(outer, ("func", *SPAWNERS[name].positions), inner_home, ())
                    for key, values in fixed.named.items():
                        if key not in arguments.named:
                            arguments.named[key] = values
                    return Spawn(evaluator, self._flow, call, name, SPAWNERS[name], home, handle, arguments)
                case _:
                    continue
        if handle.family is Family.MULTIPROCESSING:
            arguments = evaluator.arguments(call, PROCESS_POSITIONS, home, context)
            return Spawn(evaluator, self._flow, call, "multiprocessing.Process", None, home, handle, arguments)
        return Spawn(evaluator, self._flow, call, "", None, home, handle, Arguments(open=True))

    def _subclass(self, handle: Handle, cls: Class, call: ast.Call | None, home: Function) -> Spawn:
        """The spawn of a subclass: through the `super().__init__` call of its constructor, if it has one.

        `call` is None for `self` inside the class, which may have been made by any call.
        """
        evaluator = self._evaluator
        names = {Family.POPEN: "subprocess.Popen", Family.ASYNCIO: "asyncio.create_subprocess_exec"}
        name = names.get(handle.family, "multiprocessing.Process")
        positions = SPAWNERS[name].positions if name in SPAWNERS else PROCESS_POSITIONS
        init = evaluator.find_method(cls, "__init__")
        if init is None:
            arguments = (
                Arguments(open=True) if call is None else evaluator.arguments(call, positions, home, handle.context)
            )
            return Spawn(evaluator, self._flow, call, name, SPAWNERS.get(name), home, handle, arguments)
        for inner in init.calls:
            match inner.func:
                case ast.Attribute(attr="__init__", value=base):
                    skip = 0 if isinstance(base, ast.Call) else 1
                    context = handle.context if call is None else (*handle.context, call)
                    arguments = evaluator.arguments(inner, positions, init, context, skip)
                    return Spawn(evaluator, self._flow, call, name, SPAWNERS.get(name), init, handle, arguments)
                case _:
                    continue
        return Spawn(evaluator, self._flow, call, name, SPAWNERS.get(name), home, handle, Arguments(open=True))


def _state(value: Value) -> StreamState:
    match value:
        case External(name) if name in _STATES:
            return _STATES[name]
        case Constant(value=None):
            return StreamState.INHERITED
        case Constant(value=-1):
            return StreamState.PIPE
        case Unknown():
            return StreamState.UNKNOWN
        case FunctionReference():
            return StreamState.UNKNOWN
        case _:
            return StreamState.OTHER


def _leading_text(node: ast.expr) -> str | None:
    """The literal text that a string expression begins with."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod()):
            return _leading_text(left)
        case ast.Call(func=ast.Attribute(value=base, attr="format")):
            return _leading_text(base)
        case _:
            return None
