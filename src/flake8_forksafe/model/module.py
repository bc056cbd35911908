"""The model of one module: the typed questions that rules ask."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_forksafe.finding import Related, Span
from flake8_forksafe.model.children import Children, Spawn
from flake8_forksafe.model.evaluate import Evaluator
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.flow import NO_FACTS, Facts, Flow, Outcome, Predicate, Query
from flake8_forksafe.model.makers import behind_calls
from flake8_forksafe.model.scopes import Condition, Function, ScopeTable
from flake8_forksafe.model.spelling import Speller
from flake8_forksafe.model.syntax import Syntax
from flake8_forksafe.model.values import External, Handle, Pipe, Value
from flake8_forksafe.model.walking import last_name, walk
from flake8_forksafe.settings import Settings
from flake8_forksafe.stdlib.subprocess import SPAWNERS, STREAMS, Family

if TYPE_CHECKING:
    from flake8_forksafe.model.context import Context
    from flake8_forksafe.model.descriptors import Descriptors
    from flake8_forksafe.model.ending import Ending
    from flake8_forksafe.model.forks import Forks
    from flake8_forksafe.model.holdings import Holdings
    from flake8_forksafe.model.pipe_ends import PipeEnds
    from flake8_forksafe.model.pipes import Pipes
    from flake8_forksafe.model.queues import Queues
    from flake8_forksafe.model.sessions import Sessions
    from flake8_forksafe.model.statuses import Statuses
    from flake8_forksafe.model.threads import Threads
    from flake8_forksafe.model.timers import Timers


#: What counts against a path where it happens on it, but not where another function does it.
_CHANGES_NOTHING = (EventKind.CREATE, EventKind.ENDED)


class ModuleModel:
    """What one module does with processes, pipes, threads, timers and locks."""

    def __init__(
        self,
        scopes: ScopeTable,
        settings: Settings,
        filename: str,
        *,
        shebang: bool,
        live: Iterable[Function] | None = None,
    ) -> None:
        """Build the tables from the walk over a tree; use `build` where there was none yet."""
        self.settings, self.filename, self.shebang = settings, filename, shebang
        self.scopes = scopes
        self.syntax = Syntax(scopes)
        self._mentioned: dict[str, bool] = {}
        self._last_stores: dict[Function, dict[str, int]] = {}
        self.speller = Speller(self.scopes)
        self.evaluator = Evaluator(self.scopes, settings)
        self.flow = Flow(self.evaluator, scopes.functions if live is None else live)
        self.children = Children(self.evaluator, self.flow)

    @classmethod
    def build(cls, tree: ast.Module, settings: Settings, *, filename: str, shebang: bool) -> ModuleModel:
        """Return the model of `tree`, which is only read.

        Arguments:
            tree: the module's syntax tree.
            settings: what the user set.
            filename: the file's name, for what depends on it (`__main__.py`).
            shebang: whether the first line begins with `#!`, which makes the file a script.

        Raises:
            RecursionError: an expression is nested too deeply.
        """
        return cls(ScopeTable(tree), settings, filename, shebang=shebang)

    def dissolve(self) -> None:
        """Cut the ties that go round; nothing can be asked any more. See `ScopeTable.dissolve`."""
        self.evaluator.dissolve()
        vars(self).clear()

    # -- parts: each is imported and made when it is first asked, because most modules need few ---------------------

    @cached_property
    def holdings(self) -> Holdings:
        """Where the module keeps what it makes."""
        from flake8_forksafe.model.holdings import Holdings

        return Holdings(self)

    @cached_property
    def pipes(self) -> Pipes:
        """The pipes of its children."""
        from flake8_forksafe.model.pipes import Pipes

        return Pipes(self)

    @cached_property
    def queues(self) -> Queues:
        """The queues between its processes."""
        from flake8_forksafe.model.queues import Queues

        return Queues(self)

    @cached_property
    def descriptors(self) -> Descriptors:
        """The descriptors that its children inherit."""
        from flake8_forksafe.model.descriptors import Descriptors

        return Descriptors(self)

    @cached_property
    def pipe_ends(self) -> PipeEnds:
        """The ends of its `os.pipe()`s."""
        from flake8_forksafe.model.pipe_ends import PipeEnds

        return PipeEnds(self)

    @cached_property
    def ending(self) -> Ending:
        """How its children are ended."""
        from flake8_forksafe.model.ending import Ending

        return Ending(self)

    @cached_property
    def sessions(self) -> Sessions:
        """The shells and process groups of its children."""
        from flake8_forksafe.model.sessions import Sessions

        return Sessions(self)

    @cached_property
    def statuses(self) -> Statuses:
        """The exit statuses of its children."""
        from flake8_forksafe.model.statuses import Statuses

        return Statuses(self)

    @cached_property
    def context(self) -> Context:
        """In which circumstances its steps run."""
        from flake8_forksafe.model.context import Context

        return Context(self)

    @cached_property
    def timers(self) -> Timers:
        """Its timers and threads by what they run."""
        from flake8_forksafe.model.timers import Timers

        return Timers(self)

    @cached_property
    def threads(self) -> Threads:
        """Its thread starts, and the forks beside them."""
        from flake8_forksafe.model.threads import Threads

        return Threads(self)

    @cached_property
    def forks(self) -> Forks:
        """Its forks."""
        from flake8_forksafe.model.forks import Forks

        return Forks(self)

    # -- children --------------------------------------------------------------------------------------------------

    @cached_property
    def handles(self) -> list[Handle]:
        """Every handle of the module, in source order of its origin."""
        found = [s for s in self.flow.subjects if isinstance(s, Handle) and s.family is not Family.FORK]
        return sorted(found, key=_position)

    @cached_property
    def _made_by(self) -> dict[ast.AST, list[Handle]]:
        table: dict[ast.AST, list[Handle]] = {}
        for handle in self.handles:
            table.setdefault(handle.site, []).append(handle)
        return table

    def made_by(self, site: ast.AST) -> list[Handle]:
        """The handles that one call makes, by the calls through which they reach the place that looks at them."""
        return self._made_by.get(site, [])

    @cached_property
    def handed_on(self) -> dict[Value, dict[Value, int]]:
        """For each life of a handle, as its user or a factory sees it, the handles it is a life of, by their order."""
        table: dict[Value, dict[Value, int]] = {}
        for order, handle in enumerate(self.handles):
            for life in self.lives(handle):
                table.setdefault(life, {})[handle] = order
        return table

    def spawn(self, handle: Handle) -> Spawn:
        """How `handle` was made."""
        return self.children.of(handle)

    @cached_property
    def spawns(self) -> list[Spawn]:
        """Every call that starts a child: those that return a handle, and `run` and its kin."""
        found = [self.spawn(h) for h in self.handles if isinstance(h.site, ast.Call)]
        for event in self.flow.of_kind(EventKind.EXTERNAL):
            if isinstance(event.subject, External) and event.call is not None:
                name = event.subject.name
                if name in SPAWNERS and not SPAWNERS[name].returns_handle:
                    found.append(self.children.of_call(event.call, name, event.function))
        return found

    def as_called(self, spawn: Spawn, wrong: Callable[[Spawn], bool]) -> Iterator[Spawn]:
        """`spawn` if it is `wrong` as written, else what is wrong as functions of the module call for it."""
        if wrong(spawn):
            yield spawn
        else:
            yield from filter(wrong, self.children.through_callers(spawn))

    # -- paths -----------------------------------------------------------------------------------------------------

    def exposed(self, query: Query) -> Iterator[Event]:
        """The targets of `query` that some path reaches from the making of its subject, or from where it is seen.

        A subject that several functions see (as an attribute or global) is judged in each function that somebody
        out of sight may call first; there, a barrier in any other function counts too, because nothing tells which
        of them ran before. That another function may find the child ended is none: it does nothing to it.
        """
        subjects = (query.subject, *query.also)
        sites = {e.site for subject in subjects for e in self.flow.events(subject) if query.target(e)}
        query.sought = set(sites)
        searches = self._searches(query)
        while sites and (outcome := next(searches, None)) is not None:
            for hit in outcome.hits:
                if hit.site in sites:
                    sites.remove(hit.site)
                    yield hit

    def _searches(self, query: Query) -> Iterator[Outcome]:
        flow, subject = self.flow, query.subject
        if isinstance(subject, Handle) and subject.context and not self._reaches_caller(subject, query):
            return
        for start in flow.starts(subject):
            outcome = flow.after(start, query)
            yield outcome
            if outcome.completes:
                yield from behind_calls(flow, start, query, lambda context: self._has_same_pipes(subject, context))
        barrier = query.elsewhere or query.barrier
        barring = {e.function: None for e in flow.events(subject) if e.kind not in _CHANGES_NOTHING and barrier(e)}
        for root in flow.roots(subject):
            if flow.reachable(root).issuperset(barring):  # else another function does it, and may have run before
                yield flow.from_entry(root, query)

    def _reaches_caller(self, handle: Handle, query: Query) -> bool:
        """Whether each factory hands its handle on with no barrier between the making and the return."""
        for inner in self.lives(handle)[1:]:
            probe = Query(inner, lambda _e: False, lambda e: not _returns(e) and query.barrier(e), facts=query.facts)
            starts = self.flow.starts(inner)
            if starts and not any(self.flow.after(s, probe).completes for s in starts):
                return False
        return True

    def _has_same_pipes(self, subject: Value, context: tuple[ast.Call, ...]) -> bool:
        """Whether a child made through the calls in `context` has all the pipes that it has by any way."""
        if not isinstance(subject, Handle):
            return True
        anyhow, so = self.spawn(subject), self.children.of(replace(subject, context=(*context, *subject.context)))
        return all(so.pipe(name) is not None for name in STREAMS if anyhow.pipe(name) is not None)

    @staticmethod
    def lives(subject: Value) -> list[Value]:
        """A subject as its user sees it, then as each factory that handed it on saw it, innermost last."""
        if not isinstance(subject, Handle):
            return [subject]
        return [replace(subject, context=subject.context[depth:]) for depth in range(len(subject.context) + 1)]

    def happens(self, subject: Value, predicate: Predicate) -> bool:
        """Whether anything in the module does to `subject` what `predicate` asks for."""
        own, *earlier = self.lives(subject)
        return any(predicate(e) for e in self.flow.events(own)) or any(
            predicate(e) for life in earlier for e in self.flow.events(life) if not _returns(e)
        )

    def query(
        self,
        subject: Value,
        target: Predicate,
        barrier: Predicate,
        facts: Facts = NO_FACTS,
        *,
        exceptions: bool = False,
        beyond: bool = False,
        elsewhere: Predicate | None = None,
    ) -> Query:
        """A question about the paths of `subject`, asked under the tests that its making stands under."""
        return Query(
            subject,
            target,
            barrier,
            exceptions,
            facts | self.creation_facts(subject),
            beyond,
            elsewhere=elsewhere,
        )

    def creation_facts(self, subject: Value) -> Facts:
        """The tests that are known to hold where `subject` is made, and in the functions that see it later."""
        site = subject.origin if isinstance(subject, Handle) else getattr(subject, "site", None)
        home = self.scopes.home.get(site) if isinstance(site, ast.Call) else None
        return NO_FACTS if home is None or site is None else self.facts_at(site, home)

    def facts_at(self, site: ast.AST, function: Function) -> Facts:
        """The tests that `site` stands under and that hold until `function` ends."""
        facts = NO_FACTS
        for link in Condition.chain(self.scopes.conditions.get(site)):
            if not self._is_overtaken(link.test, function):
                facts |= self.flow.facts_under(Condition(link.test, link.truth, None), function)
        return facts

    def _is_overtaken(self, test: ast.expr, function: Function) -> bool:
        """Whether `function` goes on to bind an attribute or global that `test` asks: `if not self.p: self.p = …`."""
        stored = self._last_stores.get(function)
        if stored is None:
            stored = self._last_stores[function] = {}
            for name, binding in function.stores:
                stored[name] = max(getattr(binding.statement, "lineno", 0), stored.get(name, 0))
        return bool(stored) and any(stored.get(last_name(part), 0) >= test.lineno for part in walk(test))

    def follows(self, event: Event, target: Predicate, *, unless: Predicate = lambda _e: False) -> list[Event]:
        """The targets that some path reaches after `event` in its function with nothing of `unless` between."""
        return self.flow.after(event, self.query(event.subject, target, unless)).hits

    def is_kept(self, handle: Handle) -> bool:
        """Whether a handle outlives the statement that makes it: it is used later, or stored."""
        if any(e.kind not in (EventKind.CREATE, EventKind.ENTER) for e in self.flow.events(handle)):
            return True
        return handle in self.holdings.stored

    def loop_around(self, event: Event) -> ast.For | ast.AsyncFor | ast.While | None:
        """The innermost loop statement in which an event happens."""
        loop = event.step.loops[-1] if event.step.loops else None
        return loop if isinstance(loop, ast.For | ast.AsyncFor | ast.While) else None

    # -- places ----------------------------------------------------------------------------------------------------

    @cached_property
    def _nested(self) -> dict[Function, list[Function]]:
        table: dict[Function, list[Function]] = {}
        for function in self.scopes.functions:
            if function.parent is not None:
                table.setdefault(function.parent, []).append(function)
        return table

    def nest(self, function: Function) -> list[Function]:
        """`function` and all that are defined inside it."""
        found, work = [function], [function]
        while work:
            inner = self._nested.get(work.pop(), ())
            found.extend(inner)
            work.extend(inner)
        return found

    def mentions(self, word: str) -> bool:
        """Whether `word` is part of a literal text, or of a name in a function, of a parameter or of an import."""
        known = self._mentioned.get(word)
        if known is None:
            known = self._mentioned[word] = any(word in text for text in self._names_and_texts)
        return known

    @cached_property
    def _names_and_texts(self) -> frozenset[str]:
        texts = self.syntax.texts
        bound = {name for node in ast.walk(self.scopes.module.node) if (name := _bound_name(node))}
        return frozenset(bound.union(texts, *(function.words for function in self.scopes.functions)))

    def function_around(self, node: ast.AST) -> Function:
        """The function in which `node` is evaluated."""
        around = (self.scopes.by_node.get(node) for node in self.syntax.parents(node))
        return next((function for function in around if function is not None), self.scopes.module)

    def text(self, node: ast.AST) -> str:
        """The source of an expression on one line, shortened."""
        text = " ".join(ast.unparse(node).split())
        return text if len(text) <= 40 else text[:37] + "..."

    def name_of(self, event: Event) -> str:
        """How the program itself calls the subject of an event, shortened; the subject's kind where it has no name."""
        node: ast.AST | None = event.site
        while isinstance(node, ast.Await | ast.Compare | ast.UnaryOp | ast.NamedExpr):
            match node:
                case (
                    ast.Compare(left=inner)
                    | ast.UnaryOp(operand=inner)
                    | ast.Await(value=inner)
                    | ast.NamedExpr(value=inner)
                ):
                    node = inner
        for _ in range(4):
            match node:
                case ast.Call(func=ast.Attribute(value=inner)) | ast.Attribute(value=inner):
                    if self._is_subject(inner, event):
                        return self.text(inner)
                    node = inner
                case ast.Call(args=[first, *_]):
                    node = first
                case _:
                    break
        plain = (
            p for p in ast.walk(event.site) if isinstance(p, ast.Name | ast.Attribute) and self._is_subject(p, event)
        )
        return self.text(found) if (found := next(plain, None)) is not None else "the child"

    def pipe_name(self, event: Event) -> str:
        """How the program calls the pipe of an event: `p.stdout`, the name it has, or `stdout of the child`."""
        match event.site:
            case ast.Call(func=ast.Attribute(value=ast.Name() | ast.Attribute() as receiver)) if any(
                isinstance(v, Pipe) for v in self.evaluator.eval(receiver, event.function, event.step)
            ):
                return self.text(receiver)
            case ast.Name() | ast.Attribute():
                return self.text(event.site)
            case _:
                name = self.name_of(event)
                return f"{event.stream} of the child" if name == "the child" else f"{name}.{event.stream}"

    def method_of(self, event: Event, call: str) -> str:
        """`call` as it would be written on the subject of an event: `p.communicate()`, or the bare call."""
        name = self.name_of(event)
        return call if name == "the child" else f"{name}.{call}"

    def _is_subject(self, node: ast.expr, event: Event) -> bool:
        plain = all(isinstance(p, ast.Name | ast.Attribute | ast.expr_context) for p in ast.walk(node))
        return plain and event.subject in self.evaluator.eval(node, event.function, event.step)

    def created(self, handle: Handle) -> Related:
        """The place at which a handle is made."""
        node = handle.site
        assert isinstance(node, ast.expr | ast.stmt | ast.arg)
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return Related(Span(node.lineno, node.col_offset, end_line, end_column), "the child is started here")


def _returns(event: Event) -> bool:
    """Whether a handle goes to the caller, who is in sight when the handle is seen from there."""
    return event.kind is EventKind.ESCAPE and isinstance(event.site, ast.Return)


def _bound_name(node: ast.AST) -> str:
    match node:
        case ast.arg(arg=name) | ast.alias(name=name):
            return name
        case _:
            return ""


def _position(handle: Handle) -> tuple[int, int, int, str]:
    node = handle.origin
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), len(handle.context), str(handle.family))
