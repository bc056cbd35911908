"""The outline finds every function in the text, and what it parses is what the whole file holds."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from pathlib import Path

import pytest

from flake8_forksafe.outline import Outline, OutlineError, parse
from flake8_forksafe.source import plain_text

_TEXT = (Path(__file__).parent / "fixtures" / "outline" / "shapes.py").read_text(encoding="utf-8")
SHAPES = dict(part.split("\n", 1) for part in _TEXT.split("# shape: ")[1:])


def nodes(tree: ast.AST) -> list[tuple[object, ...]]:
    """What each node is and where it starts; of those that hold no statements also where they end."""
    found = []
    for node in ast.walk(tree):
        ends = () if hasattr(node, "body") else (getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))
        found.append((type(node).__name__, getattr(node, "lineno", 0), getattr(node, "col_offset", 0), *ends))
    return found


def put_together(outline: Outline, awake: set[int]) -> ast.Module:
    """The skeleton with all bodies put in that were left out of it."""
    tree = parse(outline.skeleton(awake))
    bodies = outline.bodies([block for block in outline.blocks.values() if block.line not in awake])
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno in bodies:
            node.body = bodies[node.lineno]
    return tree


def assert_is_whole(text: str) -> None:
    outline = Outline.of(text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = ast.parse(text)
    for awake in (set(), set(list(outline.blocks)[::2]), set(outline.blocks)):
        tree = put_together(outline, awake)
        assert ast.dump(tree) == ast.dump(whole)
        assert nodes(tree) == nodes(whole)


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_skeleton_and_bodies_make_the_whole(text: str) -> None:
    assert_is_whole(text)
    assert_is_whole(text.rstrip("\n"))


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_classes_end_in_the_skeleton_where_they_do(text: str) -> None:
    def ends(tree: ast.Module) -> list[tuple[str, int | None, int | None]]:
        classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        return [(node.name, node.end_lineno, node.end_col_offset) for node in classes]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ends(parse(Outline.of(text.encode()).skeleton(set()))) == ends(ast.parse(text))


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ("methods without a blank line", ["f", "g"]),
        ("a def in a docstring", ["g"]),
        ("a def in a comment", []),
        ("brackets closed further left", ["f"]),
        ("bodies on the line of the def", []),
        ("functions in functions", ["f"]),
        ("functions under if and try", ["f", "f", "g"]),
        ("strings with brackets and colons", ["f", "g"]),
    ],
)
def test_the_blocks_are_the_functions_that_stand_in_no_other(shape: str, names: list[str]) -> None:
    assert [block.name for block in Outline.of(SHAPES[shape].encode()).blocks.values()] == names


@pytest.mark.parametrize("strange", ["\tx = 1\n", "x = 1\r\n", "\fx = 1\n"])
def test_a_layout_that_the_search_does_not_follow_is_refused(strange: str) -> None:
    with pytest.raises(OutlineError):
        Outline.of(f"if 1:\n{strange}".encode())


def test_words_are_those_of_code_and_short_literals() -> None:
    (block,) = Outline.of(SHAPES["words"].encode()).blocks.values()
    assert {"a", "b", "c", "key"} <= block.words
    assert {"comment", "sentence"}.isdisjoint(block.words)


def spelled_at_import(node: ast.AST) -> set[str]:
    """The names in the code that runs when a module is imported; nothing of a `def` line, main guard or f-string."""
    match node:
        case ast.JoinedStr():
            return set()
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return set().union(*map(spelled_at_import, node.decorator_list))
        case ast.If(test=ast.Compare(left=ast.Name("__name__"))):
            return set().union(*map(spelled_at_import, node.orelse))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name}.union(*map(spelled_at_import, ast.iter_child_nodes(node)))
        case _:
            return set().union(*map(spelled_at_import, ast.iter_child_nodes(node)))


def assert_nothing_outside_is_missed(text: str) -> None:
    outline = Outline.of(text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {name for name in spelled_at_import(ast.parse(text)) if name.isascii()}
    assert {name for name in names if not outline.spells_outside(frozenset({name}))} == set()


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_no_name_outside_of_functions_is_missed(text: str) -> None:
    assert_nothing_outside_is_missed(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("def f():\n    here()\n", id="in a function"),
        pytest.param(
            "class A:\n    def f(self):\n        if self:\n            here()\n", id="under a test in a method"
        ),
        pytest.param("def f(\n    a,\n    b,\n) -> None:\n    here()\n", id="behind a long list of parameters"),
        pytest.param("def f(here):\n    pass\n", id="a parameter"),
        pytest.param("async def f():\n    await here()\n", id="in a coroutine"),
        pytest.param("def f():\n    x = [\n        1,\n    ]\n    here()\n", id="behind a bracket of its own block"),
        pytest.param("if __name__ == '__main__':\n    here()\n", id="under a main guard"),
        pytest.param("x = 'here()'  # here()\n", id="in a text and in a comment"),
        pytest.param("nowhere(), here_too(), there.heres\n", id="a part of other names"),
    ],
)
def test_what_stands_in_functions_only_is_not_outside(text: str) -> None:
    assert not Outline.of(text.encode()).spells_outside(frozenset({"here"}))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("here()\n", id="at the top level"),
        pytest.param("def f():\n    pass\nif f:\n    here()\n", id="under a test behind a function"),
        pytest.param("class A:\n    def f(self):\n        pass\n    x = here()\n", id="in a class behind a method"),
        pytest.param("def f():\n    pass\nx = (\n    1,\n    here(),\n)\n", id="between brackets"),
        pytest.param("if x:\n    y = f(\n1,\n)\n    here()\n", id="behind brackets that close further left"),
        pytest.param("@here\ndef f():\n    pass\n", id="a decorator"),
    ],
)
def test_what_stands_outside_of_functions_is_seen(text: str) -> None:
    assert Outline.of(text.encode()).spells_outside(frozenset({"here"}))


def standard_library() -> list[Path]:
    return sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))


@pytest.mark.parametrize("part", range(8))
@pytest.mark.slow
def test_every_module_of_the_standard_library_is_put_together_whole(part: int) -> None:
    done = 0
    for file in standard_library()[part::8]:
        data = file.read_bytes()
        if plain_text(data) and not any(strange in data for strange in (b"\t", b"\f")):
            assert_is_whole(data.decode())
            assert_nothing_outside_is_missed(data.decode())
            done += 1
    assert done > 10


def test_some_modules_of_the_standard_library_are_put_together_whole() -> None:
    for name in ("subprocess", "threading", "asyncio/events", "typing", "dataclasses"):
        text = Path(sysconfig.get_paths()["stdlib"], f"{name}.py").read_text(encoding="utf-8")
        assert_is_whole(text)
        assert_nothing_outside_is_missed(text)
