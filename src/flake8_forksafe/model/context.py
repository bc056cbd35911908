"""In which circumstances a step runs: at import, under the main guard, in a forked child, on which branch."""

from __future__ import annotations

import ast
import os.path
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe.model.cfg import Node, NodeKind
from flake8_forksafe.model.events import Event, EventKind
from flake8_forksafe.model.scopes import Binding, BindingKind, Condition, Function
from flake8_forksafe.model.values import Derived, Handle, HandlePart, Resource, ResourceKind
from flake8_forksafe.records import dataclass
from flake8_forksafe.stdlib.subprocess import Family

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel

_PROCESS_KINDS = (ResourceKind.POOL, ResourceKind.PROCESS_EXECUTOR, ResourceKind.MANAGER)


@dataclass(frozen=True, slots=True)
class Assumption:
    """A test and the truth it is known to have.

    `left` and `value` hold the two sides where the test compares something with a literal.
    """

    text: str
    truth: bool
    test: ast.expr
    left: str = ""
    value: object = None

    def contradicts(self, other: Assumption) -> bool:
        """Whether the two cannot hold together."""
        if self.text == other.text:
            return self.truth is not other.truth
        return bool(self.left) and self.left == other.left and self.truth and other.truth and self.value != other.value


Assumptions = frozenset[Assumption]
_NONE: Assumptions = frozenset()


class _OutsideChild(NamedTuple):
    """Of one function, whether some branch is a child's alone, and the steps that some path reaches past those."""

    branches: bool
    steps: frozenset[Node]


class Context:
    """The circumstances of one module's steps."""

    def __init__(self, model: ModuleModel) -> None:
        """Prepare for one module."""
        self._model = model
        self._assumed: dict[Function, dict[Node, Assumptions]] = {}
        self._made: dict[Node, Assumption] = {}
        self._children: dict[Node, frozenset[ast.AST]] = {}
        self._in_child: dict[Function, bool] = {}
        self._called: dict[Function, bool] = {}
        self._outside_child: dict[Function, _OutsideChild] = {}

    # -- what is known at a step ------------------------------------------------------------------------------------

    def assumptions(self, function: Function) -> dict[Node, Assumptions]:
        """For each step that can be reached at all, the tests whose outcome is the same on every path to it."""
        known = self._assumed.get(function)
        if known is None:
            known = self._assumed[function] = self._solve(function)
        return known

    def _solve(self, function: Function) -> dict[Node, Assumptions]:
        graph = self._model.evaluator.graph(function)
        before: dict[Node, Assumptions] = {graph.entry: _NONE}
        work = [graph.entry]
        while work:
            node = work.pop()
            here = before[node]
            for onward in (*node.successors, *node.raises):
                given = here
                if onward.kind is NodeKind.ASSUME:
                    if not self._model.flow.feasible(onward):
                        continue
                    given = here | {self._assumption(onward)}
                elif isinstance(onward.item, ast.match_case) and isinstance(node.item, ast.expr):
                    given = here | {_case(node.item, onward.item)}
                earlier = before.get(onward)
                merged = given if earlier is None else earlier & given
                if merged != earlier:
                    before[onward] = merged
                    work.append(onward)
        return before

    def _assumption(self, node: Node) -> Assumption:
        made = self._made.get(node)
        if made is None:
            assert isinstance(node.item, ast.expr)
            made = self._made[node] = self._assume(node.item, truth=node.truth)
        return made

    def _assume(self, test: ast.expr, *, truth: bool) -> Assumption:
        text, positive = self._model.flow.key(test) or (f"{test.lineno}:{test.col_offset}", True)
        match test:
            case ast.Compare(left=left, ops=[_], comparators=[ast.Constant(value=value)]) if " = " in text:
                return Assumption(text, truth is positive, test, ast.unparse(left), value)
            case _:
                return Assumption(text, truth is positive, test)

    def known_at(self, event: Event) -> Assumptions:
        """The tests whose outcome is known at an event, on the paths to it and inside its own expression."""
        known = set(self.assumptions(event.function).get(event.step, _NONE))
        innermost = self._model.scopes.conditions.get(event.site)
        known.update(self._assume(link.test, truth=link.truth) for link in Condition.chain(innermost))
        return frozenset(known)

    def may_be_called(self, function: Function) -> bool:
        """Whether a function that the module itself calls is called at a place that the target platform can reach."""
        known = self._called.get(function)
        if known is None:
            self._called[function] = True  # of functions that call each other, some other one is called
            flow = self._model.flow
            calls = flow.callers.get(function, ())
            known = not calls or bool(flow.references.get(function)) or any(map(self.can_happen, calls))
            self._called[function] = known
        return known

    def can_happen(self, event: Event) -> bool:
        """Whether the target platform and Python version let the event's step be reached at all."""
        if event.step not in self.assumptions(event.function) or not self.may_be_called(event.function):
            return False
        function: Function | None = event.function
        while function is not None:
            if self._model.evaluator.rules_out(function.condition, function.parent or function):
                return False
            function = function.parent
        return True

    # -- branches that exclude each other ---------------------------------------------------------------------------

    def excludes(self, one: Event, other: Event) -> bool:
        """Whether the two events stand on branches that exclude each other."""
        same = one.function is other.function
        return any(
            left.contradicts(right)
            and self._lasts(left.test, one.function, same=same)
            and self._lasts(right.test, other.function, same=same)
            for left in self.known_at(one)
            for right in self.known_at(other)
        )

    def are_alternatives(self, one: Function, other: Function) -> bool:
        """Whether two functions do the same job in two ways, of which a program uses one.

        They are all that one name may stand for where it is called, or methods of one name in classes that share a
        base in the module, or more than half of their methods' names.
        """
        callers = self._model.flow.callers
        sites = {e.site for e in callers.get(one, ())}
        if one is not other and sites and sites == {e.site for e in callers.get(other, ())}:
            return True
        left, right = one.owner, other.owner
        if left is None or right is None or one.name != other.name or _is_special(one.name):
            return False
        if right in self._model.evaluator.family(left):
            return False
        bases = self._model.evaluator.bases
        if set(bases(left)) & set(bases(right)):
            return True
        mine, its = ({n for n in cls.methods if not _is_special(n)} for cls in (left, right))
        return len(mine & its) > 1 and len(mine & its) * 2 > min(len(mine), len(its))

    def _lasts(self, test: ast.expr, function: Function, *, same: bool) -> bool:
        """Whether a test comes out the same whenever it is made; within one function, in one run of it."""
        for part in ast.walk(test):
            match part:
                case ast.Name(id=name, ctx=ast.Load()) if name in function.names and name != function.receiver:
                    if not same or not self._settles(function.names[name], function):
                        return False
                case ast.Name(id=name, ctx=ast.Load()) if name != function.receiver:
                    if len(self._model.scopes.names_of_module(name)) > 1:
                        return False
                case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == function.receiver:
                    if not self._is_configured(function, attr):
                        return False
                case ast.Call():
                    if not same or any(s.loops for s in self._model.evaluator.locate(function, part)):
                        return False
                case ast.NamedExpr() | ast.Await():
                    return False
                case _:
                    continue
        return True

    def _settles(self, bindings: list[Binding], function: Function) -> bool:
        """Whether a local is bound once, and not anew in each round of a loop."""
        if len(bindings) != 1 or bindings[0].kind is BindingKind.ITERATE:
            return False
        return not any(s.loops for s in self._model.evaluator.locate(function, bindings[0].statement))

    def _is_configured(self, function: Function, attr: str) -> bool:
        """Whether `self.attr` is set by constructors alone."""
        return function.owner is not None and all(
            binding.function.name == "__init__"
            for cls in self._model.evaluator.family(function.owner)
            for binding in cls.attributes.get(attr, ())
        )

    # -- import time -------------------------------------------------------------------------------------------------

    @property
    def is_script(self) -> bool:
        """Whether the file is a program by its first line or its name, so that nobody imports it."""
        return self._model.shebang or os.path.basename(self._model.filename) == "__main__.py"

    def at_import(self, event: Event) -> bool:
        """Whether importing the module makes the event happen: top level or a class body, under no main guard."""
        return event.function.is_module and self.can_happen(event) and not self.is_guarded(event)

    def is_guarded(self, event: Event) -> bool:
        """Whether an event of the top level stands under `if __name__ == "__main__"`."""
        return any(map(_is_main, self.known_at(event)))

    # -- forked children ---------------------------------------------------------------------------------------------

    def child_branches(self, fork: Event) -> list[Node]:
        """The steps of the fork's function from which on this process is known to be that fork's child."""
        return [n for n in self._assumes(fork.function) if fork.site in self.enters_child(n, fork.function)]

    def parent_branches(self, fork: Event) -> list[Node]:
        """The steps from which on this process is known to be the parent of that fork."""
        found = []
        for node in self._assumes(fork.function):
            assert isinstance(node.item, ast.expr)
            if fork.site in self._forks_tested(node.item, node, fork.function, truth=not node.truth):
                found.append(node)
        return found

    def _assumes(self, function: Function) -> list[Node]:
        return [n for n in self._model.evaluator.graph(function).nodes if n.kind is NodeKind.ASSUME]

    def enters_child(self, node: Node, function: Function) -> frozenset[ast.AST]:
        """The fork calls whose child this process is known to be once an ASSUME step has been taken."""
        known = self._children.get(node)
        if known is None:
            assert isinstance(node.item, ast.expr)
            known = self._children[node] = self._forks_tested(node.item, node, function, truth=node.truth)
        return known

    def _forks_tested(self, test: ast.expr, node: Node, function: Function, *, truth: bool) -> frozenset[ast.AST]:
        """The fork calls whose result `test` shows, by coming out as `truth`, to be that of the child."""
        match test:
            case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=0)]):
                subject = left
            case ast.Compare(left=ast.Constant(value=0), ops=[op], comparators=[right]):
                subject = right
                op = ast.Gt() if isinstance(op, ast.Lt) else op
            case ast.Compare() | ast.BoolOp():
                return frozenset()
            case _:
                subject, op = test, ast.NotEq()
        if isinstance(op, ast.NotEq | ast.Gt | ast.IsNot):
            truth = not truth
        elif not isinstance(op, ast.Eq | ast.Is):
            return frozenset()
        return self._forks_of(subject, node, function) if truth else frozenset()

    def _forks_of(self, subject: ast.expr, node: Node, function: Function) -> frozenset[ast.AST]:
        return frozenset(
            v.handle.site
            for v in self._model.evaluator.eval(subject, function, node)
            if isinstance(v, Derived) and v.part is HandlePart.PID and v.handle.family is Family.FORK
        )

    def in_child(self, event: Event) -> bool:
        """Whether an event happens only in a child: on a fork's child branch, or in what only children run."""
        return self._step_in_child(event.step, event.function) or self.runs_in_child(event.function)

    def _step_in_child(self, step: Node, function: Function) -> bool:
        """Whether every path to `step` goes through a branch on which this process is known to be a child."""
        known = self._outside_child.get(function)
        if known is None:
            known = self._outside_child[function] = self._find_outside_child(function)
        return known.branches and step not in known.steps

    def _find_outside_child(self, function: Function) -> _OutsideChild:
        graph = self._model.evaluator.graph(function)
        branches = {n for n in graph.nodes if n.kind is NodeKind.ASSUME and self.enters_child(n, function)}
        seen, work = {graph.entry}, [graph.entry] if branches else []
        while work:
            node = work.pop()
            for onward in (*node.successors, *node.raises):
                if onward not in seen and onward not in branches:
                    seen.add(onward)
                    work.append(onward)
        return _OutsideChild(bool(branches), frozenset(seen))

    def runs_in_child(self, function: Function) -> bool:
        """Whether a function is run by nothing but children: as a Process's target or `run`, or on a child branch."""
        known = self._in_child.get(function)
        if known is None:
            self._in_child[function] = False  # a function that only calls itself is run by nobody
            known = self._in_child[function] = not function.is_module and self._only_children_run(function)
        return known

    def _only_children_run(self, function: Function) -> bool:
        flow = self._model.flow
        calls = [e for e in flow.callers.get(function, ()) if e.function is not function]
        references = flow.references.get(function, [])
        if not all(self.in_child(e) for e in calls):
            return False
        if function.name == "run" and function.owner is not None:
            made = self._model.evaluator.instantiate(function.owner, function.owner.node, ())
            return isinstance(made, Handle) and made.family is Family.MULTIPROCESSING
        if function.parent is not None and not function.is_module and not calls and not references:
            return isinstance(function.node, ast.Lambda) and self.runs_in_child(function.parent)
        return all(self.in_child(e) or self._hands_to_child(e) for e in references)

    def _hands_to_child(self, reference: Event) -> bool:
        """Whether a function is handed to a Process or to a pool of processes, and to nothing else."""
        call = reference.call
        if call is None:
            return False
        evaluator, found = self._model.evaluator, False
        for value in evaluator.eval(call, reference.function, reference.step):
            match value:
                case Handle(family=Family.MULTIPROCESSING, site=site) if site is call:
                    found = True
                case Resource(kind=kind, site=site) if site is call and kind in _PROCESS_KINDS:
                    found = True
                case _:
                    continue
        return found or any(
            e.call is call and isinstance(e.subject, Resource) and e.subject.kind in _PROCESS_KINDS
            for e in self._model.flow.of_kind(EventKind.SUBMIT)
        )


def _case(subject: ast.expr, case: ast.match_case) -> Assumption:
    """What is known in one case of a `match` statement: none of its other cases has been taken."""
    statement = f"match {subject.lineno}:{subject.col_offset}"
    place = f"{case.pattern.lineno}:{case.pattern.col_offset}"
    return Assumption(f"{statement} {place}", truth=True, test=subject, left=statement, value=place)


def _is_main(assumed: Assumption) -> bool:
    """Whether what is known tells that the module is the program."""
    match assumed.test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[op], comparators=[right]):
            other = right
        case ast.Compare(left=left, ops=[op], comparators=[ast.Name(id="__name__")]):
            other = left
        case _:
            return False
    if not any(isinstance(part, ast.Constant) and part.value == "__main__" for part in ast.walk(other)):
        return False
    return assumed.truth is not isinstance(op, ast.NotIn)  # of `!=`, `assumed` has the truth of the `==` in it


def _is_special(name: str) -> bool:
    """Whether every class may have a method of that name: `__init__` and its kin."""
    return name.startswith("__") and name.endswith("__")
