"""Where what makes a child may get to in a module, and where not."""

from __future__ import annotations

import ast
import textwrap

import pytest

from flake8_forksafe.model.liveness import live_functions
from flake8_forksafe.model.scopes import Function, ScopeTable


def functions(code: str) -> dict[str, Function]:
    """The live functions of a module by their names."""
    scopes = ScopeTable(ast.parse(textwrap.dedent(code)))
    return {function.name: function for function in live_functions(scopes, {"Popen"})}


def held(code: str, name: str = "g") -> set[str]:
    """The names in the function `name` that may stand for a child."""
    function = functions(code).get(name)
    if function is None or function.calls_only is not None:
        return set()
    assert function.may_hold is not None
    return {node.id for node in ast.walk(function.node) if isinstance(node, ast.Name) and function.may_hold(node)}


@pytest.mark.parametrize(
    ("call", "signature", "names"),
    [
        pytest.param("g(1, p)", "x, y", {"y"}, id="by position"),
        pytest.param("g(y=p, x=1)", "x, y", {"y"}, id="by name"),
        pytest.param("g(1, p)", "x, *y", {"y"}, id="among more arguments than there are parameters"),
        pytest.param("g(1, y=p)", "x, **z", {"z"}, id="by a name that is no parameter's"),
        pytest.param("g(x=p)", "*, x, y=0", {"x"}, id="by a name that must be given"),
        pytest.param("g(*a, p)", "x, y", {"x", "y"}, id="behind any number of others"),
        pytest.param("g(**{'x': p})", "x, y", {"x", "y"}, id="by a name that is not written out"),
        pytest.param("run(g, p)", "x, y", {"x", "y"}, id="through somebody who calls it"),
        pytest.param("g(1, q)", "x, y", set(), id="not at all"),
    ],
)
def test_a_child_gets_to_the_parameter_it_is_given_for(call: str, signature: str, names: set[str]) -> None:
    code = f"""
        def f(a, q, run):
            p = Popen(a)
            {call}

        def g({signature}):
            use(x, y, z)
        """
    assert held(code) == names


@pytest.mark.parametrize(
    ("call", "names"),
    [
        pytest.param("self.g(p, 1)", {"x", "y"}, id="by the object or by the class: the first or the second"),
        pytest.param("C.g(self, p)", {"x", "y"}, id="by the class"),
        pytest.param("self.g(y=p)", {"y"}, id="by name"),
    ],
)
def test_a_child_gets_to_the_parameter_of_a_method(call: str, names: set[str]) -> None:
    code = f"""
        class C:
            def f(self, a):
                p = Popen(a)
                {call}

            def g(self, x, y, z=0):
                use(x, y, z)
        """
    assert held(code) <= names
    assert held(code)


def test_a_decorator_may_shift_the_arguments() -> None:
    code = """
        def f(a):
            g(Popen(a))

        @with_context
        def g(context, x):
            use(context, x)
        """
    assert held(code) == {"context", "x"}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        pytest.param("self.table[p.pid] = a", "table", id="a key is not what the table holds"),
        pytest.param("self.table[a].append(p)", "a", id="a key of what holds it"),
        pytest.param("log(p)", "log", id="a function that is given it"),
    ],
)
def test_a_word_beside_a_child_does_not_stand_for_it(line: str, name: str) -> None:
    code = f"""
        class C:
            def f(self, a):
                p = Popen(a)
                {line}

            def g(self):
                return self.{name}.wait()
        """
    found = functions(code)
    assert "g" not in found


def test_what_holds_a_child_is_followed_by_its_attribute() -> None:
    code = """
        class C:
            def f(self, a):
                self.table[a].append(Popen(a))

            def g(self):
                return self.table
        """
    assert functions(code)["g"].calls_only is None


def test_a_function_that_fills_its_own_packed_arguments_fills_nothing_of_its_callers() -> None:
    code = """
        def f(a):
            g(child=Popen(a))

        def g(**options):
            options["again"] = options["child"]

        def h():
            mine = {}
            g(**mine)
            return mine
        """
    assert held(code, "h") == set()


def test_a_function_that_fills_what_it_is_given_does() -> None:
    code = """
        def g(children, a):
            children.append(Popen(a))

        def h(a):
            mine = []
            g(mine, a)
            return mine
        """
    assert "mine" in held(code, "h")
