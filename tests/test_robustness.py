"""Nothing that a file may hold makes the analysis fail, and the tree it is given stays as it was."""

from __future__ import annotations

import ast
import sys
import sysconfig
from pathlib import Path

import pytest
from fixture_cases import FIXTURES, rules_for

from flake8_forksafe import analysis, registry
from flake8_forksafe.codes import TOO_DEEP
from flake8_forksafe.finding import Finding
from flake8_forksafe.settings import Settings
from flake8_forksafe.source import Source, SourceError

#: Every rule, opt-in ones too, without its triggers: the model is built for every file.
RULES = [rule._replace(triggers=()) for rule in registry.rules().values()]
DEFAULT_RULES = [rule for rule in RULES if not rule.opt_in]
SETTINGS = Settings(target_version=(3, 11))

HAZARD = "import subprocess\nchild = subprocess.Popen(['make'], stdout=subprocess.PIPE)\nchild.wait()\n"
SHARES = 24


def check(data: bytes, filename: str = "module.py") -> list[Finding]:
    return analysis.check_source(data, filename=filename, settings=SETTINGS, rules=RULES)


def places(data: bytes) -> list[tuple[int, str]]:
    """Return the line and code of what the rules that are on by default report."""
    findings = analysis.check_source(data, filename="module.py", settings=SETTINGS, rules=DEFAULT_RULES)
    return [(finding.span.line, finding.code) for finding in findings]


def installed_files() -> list[Path]:
    """Return the files of the standard library and of site-packages, in a stable order."""
    library, packages = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    standard = [path for path in library.rglob("*.py") if "site-packages" not in path.parts]
    return sorted(standard) + sorted(packages.rglob("*.py"))


def assert_well_formed(findings: list[Finding], data: bytes) -> None:
    lines = Source.from_bytes(data, "").utf8().split(b"\n")
    for finding in findings:
        assert finding.code in {*registry.rules(), TOO_DEEP}
        assert 1 <= finding.span.line <= finding.span.end_line <= len(lines)
        assert finding.message == " ".join(finding.message.split())


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_every_installed_file_is_analysed(share: int) -> None:
    for path in installed_files()[share::SHARES]:
        data = path.read_bytes()
        try:
            findings = check(data, path.name)
        except SourceError:
            continue  # the standard library's tests hold files that are no Python
        except Exception as error:
            error.add_note(f"while analysing {path}")
            raise
        assert_well_formed(findings, data)


@pytest.mark.slow
def test_installed_trees_are_not_modified() -> None:
    for path in installed_files()[::40]:
        try:
            source = Source.from_bytes(path.read_bytes(), path.name)
            tree = ast.parse(source.text)
        except (SourceError, SyntaxError, ValueError):
            continue
        assert_unmodified(tree, source.utf8())


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.py")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_trees_of_fixtures_are_not_modified(path: Path) -> None:
    data = path.read_bytes()
    assert_unmodified(ast.parse(data), data)


def assert_unmodified(tree: ast.Module, data: bytes) -> None:
    before, attributes = ast.dump(tree, include_attributes=True), [sorted(vars(node)) for node in ast.walk(tree)]
    analysis.check_tree(tree, data, filename="module.py", settings=SETTINGS, rules=RULES)
    assert ast.dump(tree, include_attributes=True) == before
    assert [sorted(vars(node)) for node in ast.walk(tree)] == attributes


@pytest.mark.parametrize("data", [b"", b"\n", b"# subprocess.Popen\n", b"\xef\xbb\xbf", b"\x0c\n"], ids=repr)
def test_files_without_code_are_silent(data: bytes) -> None:
    assert check(data) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\n",
        b"# coding: klingon\n",
        b"def (",
        b"x = '",
        b"if x:\npass\n",
        b"\x00\x01",
        b"\x7fELF\x02\x01\x00",
        b"<html>\n",
    ],
    ids=repr,
)
def test_what_is_no_python_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        check(data, "job.py")
    assert str(caught.value).startswith("job.py:")
    assert "\n" not in str(caught.value)


DEEP = {
    "sum": "x = 1" + " + 1" * 5000,
    "chain of calls": "x = y" + ".then(z)" * 900,
    "parentheses": "x = " + "(" * 150 + ")" * 150,
    "lists": "x = " + "[" * 150 + "]" * 150,
    "unary": "x = " + "not " * 900 + "1",
    "conditions": "x = " + "1 if y else " * 900 + "2",
    "lambdas": "x = " + "lambda: " * 900 + "1",
    "blocks": "".join(f"{'  ' * depth}if x:\n" for depth in range(95)) + "  " * 95 + "pass",
    "loops": "".join(f"{'  ' * depth}while x:\n" for depth in range(19)) + "  " * 19 + "pass",
    "functions": "".join(f"{' ' * depth}def f():\n" for depth in range(95)) + " " * 95 + "pass",
    "classes": "".join(f"{' ' * depth}class C:\n" for depth in range(95)) + " " * 95 + "pass",
    "elif": "if x: pass\n" + "elif y: pass\n" * 2000,
    "else": "x = 1\n"
    + "".join(f"{' ' * depth}try: pass\n{' ' * depth}finally:\n" for depth in range(18))
    + " " * 18
    + "pass",
    "huge": "x = 1" + " + 1" * 200_000,
}


@pytest.mark.parametrize("code", DEEP.values(), ids=DEEP.keys())
def test_deep_code_is_analysed_or_says_so_in_one_line(code: str) -> None:
    assert places(f"{HAZARD}{code}\n".encode()) in ([(3, "FRK101")], [(1, TOO_DEEP)])


def generated(size: int) -> bytes:
    """Return a module of `size` bytes such as generators write: a table, and thousands of small functions."""
    row = '    "key-{0}": ("a value of some length that stands for many others", {0}, [1, 2, 3], None),\n'
    function = "def convert_{0}(value):\n    if value is None:\n        return {0}\n    return table[value] + {0}\n\n\n"
    rows, functions = size // 2 // len(row), size // 2 // len(function)
    table = "".join(row.format(number) for number in range(rows))
    return f"table = {{\n{table}}}\n{''.join(function.format(number) for number in range(functions))}{HAZARD}".encode()


@pytest.mark.slow
def test_five_generated_megabytes() -> None:
    data = generated(5_000_000)
    assert places(data) == [(data.count(b"\n"), "FRK101")]


NEWER_SYNTAX = {
    "match": (
        (3, 10),
        "match child:\n    case {'a': [x, *_], **rest} if x: pass\n    case str() | None: pass\n    case _: pass\n",
    ),
    "except*": (
        (3, 11),
        "try:\n    child.poll()\nexcept* (OSError, ValueError) as group:\n    raise\nelse: pass\nfinally: pass\n",
    ),
    "starred subscript": ((3, 11), "def f(*args: *tuple[int, ...]): return args[*args]\n"),
    "type parameters": (
        (3, 12),
        "type A[T: int, *Ts, **P] = list[T]\ndef f[T](x: T) -> T: return x\nclass C[T](list[T]): pass\n",
    ),
    "nested f-string": ((3, 12), "x = f'{f'{child!r:>{10}}'}' f\"{'\\n'.join(['a'])}\"\n"),
    "type parameter defaults": ((3, 13), "type A[T = int] = list[T]\nclass C[T = str, **P = [int]]: pass\n"),
    "t-string": ((3, 14), "x = t'{child!r:>{10}}' t'{child.pid=}'\n"),
    "bare except tuple": ((3, 14), "try:\n    child.poll()\nexcept OSError, ValueError:\n    pass\n"),
    "lazy import": ((3, 15), "lazy import json\nlazy from os import path\n"),
    "unpacking comprehension": ((3, 15), "x = [*y for y in [[1], [2]]]\nz = {**y for y in [{}]}\n"),
}


@pytest.mark.parametrize(("since", "code"), NEWER_SYNTAX.values(), ids=NEWER_SYNTAX.keys())
def test_newer_syntax_is_walked(since: tuple[int, int], code: str) -> None:
    if sys.version_info < since:
        with pytest.raises(SourceError):
            check(f"{HAZARD}{code}".encode())
        return
    assert (3, "FRK101") in places(f"{HAZARD}{code}".encode())


def test_without_rules_nothing_is_analysed() -> None:
    assert analysis.check_source(HAZARD.encode(), filename="m.py", settings=SETTINGS, rules=[]) == []


def test_findings_are_sorted_and_unique() -> None:
    twice = [*rules_for("FRK101"), *rules_for("FRK101")]
    data = (HAZARD * 3).encode()
    findings = analysis.check_source(data, filename="m.py", settings=SETTINGS, rules=twice)
    places = [(finding.span, finding.code) for finding in findings]
    assert places == sorted(set(places))
    assert len(places) == 3
