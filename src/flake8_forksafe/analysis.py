"""The pipeline from one file to its findings."""

from __future__ import annotations

import ast
import gc
import re
import warnings
from collections.abc import Collection, Iterator

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.model import ModuleModel
from flake8_forksafe.model.liveness import live_functions
from flake8_forksafe.model.scopes import ScopeTable
from flake8_forksafe.prefilter import WordSearch, last_names
from flake8_forksafe.rule import Rule
from flake8_forksafe.settings import Settings
from flake8_forksafe.source import Source, SourceError

_WORD = re.compile(r"\w+")
#: The code of the one line about a file that cannot be analysed; it belongs to no rule.
TOO_DEEP = "FRK000"


def check_source(data: bytes, *, filename: str, settings: Settings, rules: Collection[Rule]) -> list[Finding]:
    """Decode and parse `data`, then do as `check_tree` does.

    Raises:
        SourceError: the bytes are no Python source for the running Python.
    """
    source = Source.from_bytes(data, filename)
    try:
        tree = _parse(source)
    except (RecursionError, MemoryError):  # CPython's parser says MemoryError when its own stack is full
        return [_too_deep()]
    return check_tree(tree, source.utf8(), filename=filename, settings=settings, rules=rules)


def check_tree(
    tree: ast.Module, data: bytes, *, filename: str, settings: Settings, rules: Collection[Rule]
) -> list[Finding]:
    """Return what `rules` find in one parsed file, sorted by place and code, without duplicates.

    The tree is only read. The model is built once, and only if the trigger words of at least one rule occur.

    Arguments:
        tree: the parsed module.
        data: the text `tree` was parsed from, in UTF-8 without a byte order mark.
        filename: the file's name; `__main__.py` is known to be a program's entry.
        settings: the options of the run.
        rules: the enabled rules.
    """
    factories = settings.thread_starters | settings.process_factories
    search = WordSearch(data, last_names(factories))
    passing = [rule for rule in rules if search.passes(rule.triggers)]
    if passing and not factories:
        passing = _spelled(passing, set(_WORD.findall(data.decode("utf-8", errors="surrogatepass"))))
    passing = [rule for rule in passing if rule.possible(tree)]
    if not passing:
        return []
    collecting = gc.isenabled()
    gc.disable()  # the model is many small objects that all live until it is done with
    try:
        scopes = ScopeTable(tree)
        if not factories:
            passing = _spelled(passing, scopes.spelled)
            if not passing:
                return []
        makers = frozenset().union(last_names(factories), *(rule.makers for rule in passing))
        live = live_functions(scopes, makers)
        model = ModuleModel(tree, scopes, settings, filename, shebang=data.startswith(b"#!"), live=live)
        findings = _findings(model, passing)
        by_place = {(finding.span, finding.code): finding for finding in findings}
    except RecursionError:
        return [_too_deep()]
    finally:
        if collecting:
            gc.enable()
    return [by_place[place] for place in sorted(by_place)]


def _spelled(rules: Collection[Rule], words: set[str]) -> list[Rule]:
    """Those of `rules` whose identifiers are among `words`: first all of the text, then those of the code alone."""
    return [rule for rule in rules if not any(map(words.isdisjoint, rule.names))]


def _findings(model: ModuleModel, rules: Collection[Rule]) -> Iterator[Finding]:
    for rule in rules:
        yield from rule.check(model)


def _parse(source: Source) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the file's own string escapes: not ours to print
            return ast.parse(source.text)
    except SyntaxError as error:
        raise SourceError(source.filename, error.lineno or 1, f"syntax error: {error.msg}") from error
    except ValueError as error:  # null bytes, up to Python 3.11
        raise SourceError(source.filename, 1, f"syntax error: {error}") from error


def _too_deep() -> Finding:
    return Finding(
        TOO_DEEP,
        Span(1, 0, 1, 0),
        "this code is nested too deeply to be analysed, and no rule has looked at it; exclude the file",
    )
