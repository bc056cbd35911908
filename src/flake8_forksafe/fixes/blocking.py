"""The places at which a program blocks for a child, and the places behind them that take the child's output."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cached_property

from flake8_forksafe.fixes.regions import After, stands_in_text
from flake8_forksafe.model.events import Event, EventKind, ReadStyle
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.scopes import Function, access_path
from flake8_forksafe.model.values import NONE, Handle
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.subprocess import Family

OUTPUTS = ("stdout", "stderr")
#: What happens to a pipe, or may do so out of sight.
TOUCHING = frozenset(
    {
        EventKind.READ,
        EventKind.DRAIN,
        EventKind.WRITE,
        EventKind.CLOSE,
        EventKind.HAND_OVER,
        EventKind.LEND,
        EventKind.ESCAPE,
        EventKind.COMMUNICATE,
    }
)


class NoFixError(Exception):
    """The code is not of a shape in which `communicate()` does the same."""


def require(condition: bool) -> None:  # noqa: FBT001  (reads as an assertion)
    """Give up the fix unless `condition` holds.

    Raises:
        NoFixError: it does not.
    """
    if not condition:
        raise NoFixError


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One place that takes what a stream held, or both streams' contents if `stream` is empty.

    `node` is the whole expression that gives it, `wrap` what the text or bytes must be put into to behave like the
    pipe: `"lines"` for iteration, `"list"` for `readlines()`.
    """

    node: ast.expr
    stream: str
    wrap: str
    statement: ast.stmt


class Blocking:
    """A wait, a read to the end or a poll loop in whose place `communicate()` can stand.

    What cannot be told of the place in so many words raises NoFixError.

    Attributes:
        module: the module.
        handle: the child.
        event: the wait, the read, or the test of the loop.
        function: where that happens.
    """

    def __init__(self, module: ModuleModel, handle: Handle, event: Event) -> None:
        """Prepare for one place."""
        self.module, self.handle, self.event = module, handle, event
        self.function: Function = event.function

    @cached_property
    def is_poll_loop(self) -> bool:
        """Whether the place is the test of a loop that polls."""
        return self.event.kind is EventKind.RUNNING

    @property
    def reads(self) -> bool:
        """Whether the place is a read."""
        return self.event.kind is EventKind.READ

    @cached_property
    def statement(self) -> ast.stmt:
        """The statement at the place; of a poll loop, the loop."""
        return self.module.syntax.statement(self.event.site)

    @cached_property
    def receiver(self) -> str:
        """How the handle is written at the anchor: `proc`, `self.proc`."""
        node = self.event.site
        if self.is_poll_loop:
            parts = [p for p in ast.walk(node) if isinstance(p, ast.Attribute) and p.attr in {"poll", "returncode"}]
            require(len(parts) == 1)
            path = access_path(parts[0].value)
        elif self.reads:
            path = access_path(self._pipe.value)
        else:
            path = access_path(self.method.value)
        require(path != "")
        return path

    @cached_property
    def _pipe(self) -> ast.Attribute:
        """The pipe that is read at the anchor: `proc.stdout`."""
        site, stream = self.event.site, self.event.stream
        if self.event.style is ReadStyle.TO_END:
            require(isinstance(site, ast.Call) and isinstance(site.func, ast.Attribute))
            assert isinstance(site, ast.Call)
            assert isinstance(site.func, ast.Attribute)
            found: list[ast.expr] = [site.func.value]
        else:
            found = [n for n in ast.walk(site) if isinstance(n, ast.Attribute) and n.attr == stream]
        pipe = found[0] if len(found) == 1 else None
        if not isinstance(pipe, ast.Attribute) or pipe.attr != stream:
            raise NoFixError
        return pipe

    @cached_property
    def read(self) -> Use:
        """The read at the anchor."""
        use = self._use_of_pipe(self._pipe)
        if use is None:
            raise NoFixError
        return use

    @cached_property
    def method(self) -> ast.Attribute:
        """The bound `wait` at the anchor; also where it is only named."""
        site = self.event.site
        if isinstance(site, ast.Call):
            for node in (site.func, *site.args):
                if isinstance(node, ast.Attribute) and node.attr == "wait":
                    return node
        raise NoFixError

    @cached_property
    def expression(self) -> ast.expr:
        """All that blocks at the anchor: the call, with the `await` and the time limit around it."""
        if self.reads:
            return self.read.node
        site = self.event.site
        assert isinstance(site, ast.expr)
        parent = self.module.syntax.parent(site)
        if isinstance(parent, ast.Call) and site in parent.args[:1]:
            name = parent.func.attr if isinstance(parent.func, ast.Attribute) else getattr(parent.func, "id", "")
            if name in {"wait_for", "shield"}:
                site, parent = parent, self.module.syntax.parent(parent)
        if isinstance(parent, ast.Await):
            return parent
        require(self.handle.family is not Family.ASYNCIO)
        return site

    @cached_property
    def after(self) -> After:
        """The code that runs only behind the place."""
        return After(self.module, self.statement)

    @cached_property
    def events_after(self) -> set[Event]:
        """All that may happen to the same child behind the place, also when an exception leads there."""
        query = self.module.query(
            self.handle, lambda _e: True, lambda e: e.kind is EventKind.CREATE, beyond=True, exceptions=True
        )
        query.one_element = True
        return set(self.module.flow.after(self.event, query).hits)

    def comes_before(self, event: Event) -> bool:
        """Whether some path leads from `event` to the place."""
        query = self.module.query(
            self.handle,
            lambda e: e.site is self.event.site,
            lambda e: e.kind is EventKind.CREATE,
            exceptions=True,
        )
        query.one_element = True
        return bool(self.module.flow.after(event, query).hits)

    # -- conditions ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """The name at the anchor means this child alone, and the child has a plain `communicate()`."""
        module = self.module
        require(module.syntax.parent(self.event.site) is not None)  # a test that the model has turned round
        require(self.handle.family in (Family.POPEN, Family.ASYNCIO))
        require(not has_own_methods(module, self.handle))
        receiver = _receiver_node(self.event.site, self.receiver)
        found = module.evaluator.eval(receiver, self.function, self.event.step)
        others = {v for v in found if v not in (self.handle, NONE)}
        require(not others and self.handle in found)
        require(module.syntax.is_alone_on_line(self.statement))
        require(module.function_around(self.statement) is self.function)  # not in a lambda
        require(not stands_in_text(module, self.event.site))
        require(not self._comes_back())

    def _comes_back(self) -> bool:
        """Whether the same child can come to the anchor twice: a second `communicate()` raises ValueError."""
        if self.is_poll_loop:
            return len([s for s in self.event.step.loops if s is not self.statement]) > 0 and self._repeats()
        return bool(self.event.step.loops) and self._repeats()

    def _repeats(self) -> bool:
        if self.is_poll_loop:  # its own loop comes back to the test: look at what stands around it
            return not self._made_inside(self.event.step.loops[-2:-1])
        return any(e.site is self.event.site and e.kind is self.event.kind for e in self.events_after)

    def _made_inside(self, loops: Iterable[ast.AST]) -> bool:
        return all(self.handle.origin in set(ast.walk(loop)) for loop in loops)

    # -- what is done with the output ------------------------------------------------------------------------------

    def uses(self) -> list[Use]:
        """The places behind the anchor that take what the pipes held, in source order."""
        found: list[Use] = []
        last = self.statement.lineno
        for node in self._nodes_behind():
            if not isinstance(node, ast.Attribute):
                continue
            if node.attr in OUTPUTS and access_path(node.value) == self.receiver:
                use = self._use_of_pipe(node)
            elif node.attr == "communicate" and access_path(node.value) == self.receiver:
                use = self._use_of_communicate(node)
            else:
                continue
            require(self.module.function_around(node) is self.function and not stands_in_text(self.module, node))
            last = max(last, node.lineno)
            if use is not None:
                found.append(use)
        require(not self._rebound(last))
        found.sort(key=lambda u: (u.node.lineno, u.node.col_offset))
        self._check_repeats(found)
        return found

    def _nodes_behind(self) -> Iterable[ast.AST]:
        inside = set(ast.walk(self.expression)) if not self.is_poll_loop else set(ast.walk(self.statement))
        for node in ast.walk(self.statement):
            if node not in inside and not self.is_poll_loop:
                yield node
        yield from self.after.nodes()

    def _use_of_pipe(self, node: ast.Attribute) -> Use | None:
        parent = self.module.syntax.parent(node)
        statement = self.module.syntax.statement(node)
        match parent:
            case ast.Attribute(attr="read" | "readlines" as method):
                call = self.module.syntax.parent(parent)
                require(isinstance(call, ast.Call) and call.func is parent and not call.args and not call.keywords)
                assert isinstance(call, ast.Call)
                whole: ast.AST | None = call
                if self.handle.family is Family.ASYNCIO:
                    whole = self.module.syntax.parent(call)
                    require(isinstance(whole, ast.Await) and method == "read")
                assert isinstance(whole, ast.expr)
                if method == "readlines" and self._is_looped_over(whole):
                    return Use(whole, node.attr, "lines", statement)
                return Use(whole, node.attr, "list" if method == "readlines" else "", statement)
            case ast.Attribute(attr="close"):
                return None
            case ast.comprehension(iter=source, is_async=0) if source is node:
                return Use(node, node.attr, "lines", statement)
            case ast.For(iter=source) if source is node:
                return Use(node, node.attr, "lines", statement)
            case ast.Call(func=ast.Name(id="list" | "sorted" | "set" | "tuple" | "enumerate"), args=[first, *_]) if (
                first is node
            ):
                return Use(node, node.attr, "lines", statement)
            case ast.If() | ast.IfExp() | ast.BoolOp() | ast.UnaryOp() | ast.Assert() | ast.Compare():
                require(isinstance(node.ctx, ast.Load))
                return None
            case _:
                raise NoFixError

    def _is_looped_over(self, node: ast.expr) -> bool:
        parent = self.module.syntax.parent(node)
        return isinstance(parent, ast.For | ast.comprehension) and parent.iter is node

    def _use_of_communicate(self, node: ast.Attribute) -> Use | None:
        call = self.module.syntax.parent(node)
        require(isinstance(call, ast.Call) and call.func is node and not call.args and not call.keywords)
        assert isinstance(call, ast.Call)
        whole: ast.AST | None = call
        if self.handle.family is Family.ASYNCIO:
            whole = self.module.syntax.parent(call)
            require(isinstance(whole, ast.Await))
        assert isinstance(whole, ast.expr)
        part = self.module.syntax.parent(whole)
        statement = self.module.syntax.statement(whole)
        match part:
            case ast.Subscript(slice=ast.Constant(value=0)):
                return Use(part, "stdout", "", statement)
            case ast.Subscript(slice=ast.Constant(value=1)):
                return Use(part, "stderr", "", statement)
            case _:
                return Use(whole, "", "", statement)

    def _check_repeats(self, uses: list[Use]) -> None:
        """A second read of one pipe gives nothing, a name gives the same again."""
        for use in uses:
            events = [e for e in self.events_after if _belongs(e, use)]
            for event in events:
                query = self.module.query(
                    self.handle, lambda e: e.kind in TOUCHING, lambda e: e.kind is EventKind.CREATE, beyond=True
                )
                query.one_element = True
                for later in self.module.flow.after(event, query).hits:
                    again = later.kind in (EventKind.READ, EventKind.COMMUNICATE)
                    same = later.stream in ("", event.stream) or event.stream == ""
                    if later.site is event.site and self._is_loop_over(event):
                        continue  # the rounds of one loop over the pipe
                    require(not (again and same and (later.site is event.site or self._is_use(later, uses))))
        if self.reads:
            require(all(use.stream not in ("", self.event.stream) for use in uses))

    def _is_loop_over(self, event: Event) -> bool:
        """Whether a read is a `for` loop over the pipe that stands in no loop of its own."""
        around = [loop for loop in event.step.loops if loop is not event.step.item]
        return isinstance(event.step.item, ast.For) and around == list(self.event.step.loops)

    @staticmethod
    def _is_use(event: Event, uses: list[Use]) -> bool:
        return any(_belongs(event, u) for u in uses)

    def _rebound(self, last: int) -> bool:
        """Whether the receiver's name gets another value between the anchor and line `last`."""
        begin = self.statement.lineno
        for node in ast.walk(self.function.node):
            if (
                isinstance(node, ast.Name | ast.Attribute)
                and not isinstance(node.ctx, ast.Load)
                and begin < node.lineno <= last
                and (path := access_path(node))
                and (path == self.receiver or self.receiver.startswith(f"{path}."))
            ):
                return True
        return False


def _belongs(event: Event, use: Use) -> bool:
    """Whether an event is that of a use; the event of a comprehension or of `list(p.stdout)` is around it."""
    if event.kind not in (EventKind.READ, EventKind.COMMUNICATE):
        return False
    return event.site in set(ast.walk(use.node)) or use.node in set(ast.walk(event.site))


def has_own_methods(module: ModuleModel, handle: Handle) -> bool:
    """Whether the child's class is the module's own and does these things in its own way."""
    cls = module.children.class_of(handle)
    return cls is not None and any(module.evaluator.find_method(cls, n) for n in ("wait", "communicate", "poll"))


def _receiver_node(site: ast.AST, path: str) -> ast.expr:
    for node in ast.walk(site):
        if isinstance(node, ast.Name | ast.Attribute) and access_path(node) == path:
            return node
    raise NoFixError
