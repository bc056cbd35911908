"""What the results of a `communicate()` are called."""

from __future__ import annotations

import ast

from flake8_forksafe.fixes.blocking import OUTPUTS, Blocking, Use, require
from flake8_forksafe.fixes.regions import can_drop, free_name, is_removable, runs_straight_to

_NAMES = {"stdout": ("output", "stdout", "output_data"), "stderr": ("errors", "stderr", "error_output")}


class Results:
    """Names for the streams that are used at and behind one place.

    Arguments:
        at: the place.
        uses: what takes the streams' contents behind it.
        removed: statements that go away; what only binds a name is added.

    Attributes:
        named: the name for each stream that is used.
        kept: the uses that are more than the binding of such a name.
    """

    def __init__(self, at: Blocking, uses: list[Use], removed: list[ast.stmt]) -> None:
        """Choose the names.

        Raises:
            NoFixError: none is free.
        """
        self._at, self._module, self._removed = at, at.module, removed
        self.named, self.kept = self._name_results(uses)

    def _name_results(self, uses: list[Use]) -> tuple[dict[str, str], list[Use]]:
        """A name for each stream that is used, and the uses that are more than the binding of that name."""
        named: dict[str, str] = {}
        kept = list(uses)
        anchored = self._anchored_name()
        if anchored is not None:
            named[self._at.event.stream] = anchored
        for use in uses:
            if self._is_thrown_away(use):
                self._removed.append(use.statement)
                kept.remove(use)
            elif use.stream and use.stream not in named and (name := self._own_name(use)) is not None:
                named[use.stream] = name
                self._removed.append(use.statement)
                kept.remove(use)
            elif not use.stream and not named and (names := self._own_names(use)) is not None:
                named.update({s: n for s, n in zip(OUTPUTS, names, strict=True) if n != "_"})
                self._removed.append(use.statement)
                kept.remove(use)
        wanted = [s for use in kept for s in ((use.stream,) if use.stream else OUTPUTS)]
        if self._at.reads and not (
            isinstance(self._at.statement, ast.Expr) and self._at.statement.value is self._at.expression
        ):
            wanted.append(self._at.event.stream)
        for stream in wanted:
            if stream not in named:
                named[stream] = self._fresh(stream, named)
        require(len(set(named.values())) == len(named))
        return named, kept

    def _is_thrown_away(self, use: Use) -> bool:
        """Whether the use is a statement of its own: `p.stdout.read()`."""
        statement = use.statement
        alone = isinstance(statement, ast.Expr) and statement.value is use.node
        return alone and statement not in self._removed and is_removable(self._module, statement)

    def _anchored_name(self) -> str | None:
        """`x` in `x = p.stdout.read()` at the anchor itself."""
        if not self._at.reads or self._at.read.wrap:
            return None
        match self._at.statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is self._at.expression:
                return name
            case _:
                return None

    def _own_name(self, use: Use) -> str | None:
        """`x` where the use is `x = p.stdout.read()` and `x` can get its value at the anchor already."""
        match use.statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is use.node and not use.wrap:
                return name if self._can_hoist(use.statement, [name]) else None
            case _:
                return None

    def _own_names(self, use: Use) -> tuple[str, str] | None:
        match use.statement:
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=out), ast.Name(id=err)])], value=value) if (
                value is use.node
            ):
                names = [n for n in (out, err) if n != "_"]
                return (out, err) if self._can_hoist(use.statement, names) else None
            case _:
                return None

    def _can_hoist(self, statement: ast.stmt, names: list[str]) -> bool:
        """Whether binding `names` at the anchor in place of in `statement` can be seen by nobody."""
        if not is_removable(self._module, statement) or statement in self._removed:
            return False
        function = self._at.function
        if any(n in function.outer_names for n in names):
            return False
        around = [loop for loop in self._at.event.step.loops if loop is not self._at.statement]
        if not around and all(len(function.names.get(n, ())) == 1 for n in names):
            return True
        block = self._module.syntax.block(self._at.statement)
        if not any(statement is s for s in block):
            return False
        between = block[block.index(self._at.statement) : block.index(statement)]
        used = {n.id for s in between for n in ast.walk(s) if isinstance(n, ast.Name)}
        return used.isdisjoint(names) and runs_straight_to([*between, statement], statement)

    def _fresh(self, stream: str, named: dict[str, str]) -> str:
        name = free_name(self._at.function, [n for n in _NAMES[stream] if n not in named.values()])
        require(name is not None)
        assert name is not None
        return name

    def bound(self, call: str) -> str:
        """The whole statement at the anchor: the call, bound to the names."""
        if not self.named:
            return call
        if len(self.named) == 1 and not can_drop(self._module, self._at.function):
            (stream, name), *_ = self.named.items()
            position = OUTPUTS.index(stream)
            return f"{name} = ({call})[{position}]" if call.startswith("await ") else f"{name} = {call}[{position}]"
        return f"{self.named.get('stdout', '_')}, {self.named.get('stderr', '_')} = {call}"
