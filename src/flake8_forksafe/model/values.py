"""What an expression can stand for. All values are immutable and compare by what they denote."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum, auto

from flake8_forksafe.model.scopes import Class, Function
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.multiprocessing import StartMethod
from flake8_forksafe.stdlib.subprocess import Family


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the module, by its canonical dotted name: `subprocess.Popen`, `os.kill`."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A function of the module; `receiver` is the object it is bound to, None for a plain function."""

    function: Function
    receiver: Value | None = None


@dataclass(frozen=True, slots=True)
class ClassReference:
    """A class of the module."""

    cls: Class


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class of the module; `site` is the call that made it, None for `self`."""

    cls: Class
    site: ast.Call | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """A child process as the program holds it.

    `site` is the call that makes it, the parameter or annotation that promises it, or the class that is one;
    `context` are the calls of module functions through which it reached the place that is looked at, outermost
    first, so that two callers of one factory hold two handles.
    """

    family: Family
    site: ast.AST
    context: tuple[ast.Call, ...] = ()

    @property
    def origin(self) -> ast.AST:
        """The expression at which the handle first appears where it is used."""
        return self.context[0] if self.context else self.site


@dataclass(frozen=True, slots=True)
class Pipe:
    """One stream of a handle; `wrapped` when it is read through a `TextIOWrapper` or the like."""

    handle: Handle
    stream: str
    wrapped: bool = False


class HandlePart(Enum):
    """What is derived from a handle without being one."""

    PID = auto()
    GROUP = auto()
    POLL_RESULT = auto()
    PSUTIL = auto()
    DESCENDANTS = auto()
    SENTINEL = auto()


@dataclass(frozen=True, slots=True)
class Derived:
    """A number or object derived from a handle: its pid, its group, what `poll()` returned."""

    part: HandlePart
    handle: Handle


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a read of a pipe returned."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a value that is not of the module: `p.wait`, `timer.cancel`."""

    receiver: Handle | Pipe | ReadResult | Resource | Derived | Descriptor
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial(f, …)` or a lambda-free equivalent: calling it calls `function` with more arguments."""

    function: Value
    call: ast.Call


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal value."""

    value: object


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a caller out of sight gives for a parameter."""

    function: Function
    name: str

    @property
    def packs_keywords(self) -> bool:
        """Whether it is the `**kwargs` of its function."""
        kwarg = self.function.arguments.kwarg if self.function.arguments is not None else None
        return kwarg is not None and kwarg.arg == self.name


class ResourceKind(Enum):
    """The kinds of objects of the standard library that rules ask about."""

    THREAD = auto()
    TIMER = auto()
    EXECUTOR = auto()
    PROCESS_EXECUTOR = auto()
    POOL = auto()
    MANAGER = auto()
    CONTEXT = auto()
    LOCK = auto()
    REENTRANT_LOCK = auto()
    PROCESS_LOCK = auto()
    EVENT = auto()
    QUEUE = auto()
    PROXY = auto()
    SELECTOR = auto()
    SOCKET = auto()
    LOOP = auto()
    EXIT_STACK = auto()


@dataclass(frozen=True, slots=True)
class Resource:
    """An object of the standard library that is no child process, by the call that makes it.

    `cls` is the module's own subclass it is made from, if any; `method` the start method of contexts, pools and
    their kin.
    """

    kind: ResourceKind
    site: ast.AST
    name: str
    cls: Class | None = None
    method: StartMethod = StartMethod.UNKNOWN


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One end of an `os.pipe()` (`end` is `"read"` or `"write"`), or of a multiprocessing Pipe."""

    site: ast.Call
    end: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A list, tuple, set or dict, by the display, comprehension or call that makes it."""

    node: ast.expr
    function: Function
    context: tuple[ast.Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that the analysis cannot follow."""


UNKNOWN = Unknown()
NONE = Constant(None)

Value = (
    External
    | FunctionReference
    | ClassReference
    | Instance
    | Handle
    | Pipe
    | Derived
    | ReadResult
    | Method
    | Partial
    | Constant
    | Parameter
    | Resource
    | Descriptor
    | Collection
    | Unknown
)
Values = frozenset[Value]
NOTHING: Values = frozenset()


def in_order(values: Values) -> Iterable[Value]:
    """`values` in an order that is the same in every run: hashes, and so the order of a set, differ from run to run.

    Whatever follows values further has to go by it: which of two comes first can decide what is remembered, or met.
    """
    if len(values) < 2:
        return values
    by_place = {_place(value): value for value in values}
    if len(by_place) == len(values):
        return [by_place[place] for place in sorted(by_place)]
    return sorted(values, key=lambda value: (_place(value), _told(value)))


def _place(value: Value) -> tuple[str, int, int, str]:
    """What a value is, and where it comes from."""
    match value:
        case External(name):
            return "External", 0, 0, name
        case Constant(constant):
            return "Constant", 0, 0, repr(constant)
        case Parameter(name=name):
            return "Parameter", 0, 0, name
        case Method(receiver, name):
            _, line, column, text = _place(receiver)
            return "Method", line, column, name + text
        case Pipe(handle, stream):
            return "Pipe", *_at(handle.site), stream
        case Derived(_, handle):
            return "Derived", *_at(handle.site), ""
        case Collection(node):
            return "Collection", *_at(node), ""
        case FunctionReference(function):
            return "FunctionReference", *_at(function.node), ""
        case Handle(site=site) | Resource(site=site) | Instance(site=site) | Descriptor(site=site):
            return type(value).__name__, *_at(site), ""
        case _:
            return type(value).__name__, 0, 0, ""


def _at(node: ast.AST | None) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _told(part: object) -> str:
    """All that tells a value, or a part of one, from others."""
    match part:
        case None | str() | bytes() | int():
            return repr(part)
        case ast.AST():
            end = getattr(part, "end_lineno", 0), getattr(part, "end_col_offset", 0)
            return f"{type(part).__name__}{*_at(part), *end}"
        case Function() | Class():
            return _told(part.node)
        case Enum():
            return part.name
        case tuple():
            return f"({','.join(map(_told, part))})"
        case _ if is_dataclass(part):
            return f"{type(part).__name__}({','.join(_told(getattr(part, f.name)) for f in fields(part))})"
        case _:
            return repr(part)
