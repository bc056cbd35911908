"""The pipeline from one file to its findings; each stage is imported by the first file that gets so far."""

from __future__ import annotations

import ast
import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from flake8_forksafe.codes import TOO_DEEP
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.gate import last_names
from flake8_forksafe.outline import Outline, OutlineError, parse
from flake8_forksafe.prefilter import WordSearch, names_of
from flake8_forksafe.rule import Rule
from flake8_forksafe.settings import Settings
from flake8_forksafe.source import syntax_tree, utf8_text
from flake8_forksafe.stdlib.words import MODULES

if TYPE_CHECKING:
    from flake8_forksafe.model.scopes import ScopeTable, Sleepers


def check_source(data: bytes, *, filename: str, settings: Settings, rules: Collection[Rule]) -> list[Finding]:
    """Decode `data`, parse it if need be, and do as `check_tree` does.

    Raises:
        SourceError: the bytes are no Python source for the running Python, as far as they had to be looked at.
    """
    job = _Job.of(utf8_text(data, filename), filename, settings, rules)
    if job is None:
        return []
    with _collector_held():
        return job.findings(None)


def check_tree(
    tree: ast.Module, data: bytes, *, filename: str, settings: Settings, rules: Collection[Rule]
) -> list[Finding]:
    """Return what `rules` find in one parsed file, sorted by place and code, without duplicates.

    The tree is only read. The model is built only if the trigger words of at least one rule occur.

    Arguments:
        tree: the parsed module.
        data: the text `tree` was parsed from, in UTF-8 without a byte order mark.
        filename: the file's name; `__main__.py` is known to be a program's entry.
        settings: the options of the run.
        rules: the enabled rules.
    """
    job = _Job.of(data, filename, settings, rules)
    if job is None:
        return []
    with _collector_held():
        return job.findings(tree)


class _Job(NamedTuple):
    """One file, and the rules whose words it holds; `outline` is None where the file has to be looked at as a whole."""

    data: bytes
    filename: str
    settings: Settings
    rules: Collection[Rule]
    outline: Outline | None

    @classmethod
    def of(cls, data: bytes, filename: str, settings: Settings, rules: Collection[Rule]) -> Self | None:
        """Return the job, or None if there is nothing to do."""
        search = WordSearch(data, _factories(settings))
        job = cls(data, filename, settings, [rule for rule in rules if search.passes(rule.triggers)], None)
        if not job.rules:
            return None
        names = names_of(tuple(rules))
        left = job._spelled(job.rules, names.found_in(data))
        if not left:
            return None
        try:
            outline = Outline.of(data)
        except OutlineError:
            return job._replace(rules=left)
        left = [rule for rule in job._spelled(left, names.found_in(outline.code)) if rule.possible(outline)]
        return job._replace(rules=left, outline=outline) if left else None

    def findings(self, tree: ast.Module | None) -> list[Finding]:
        """What the rules find, sorted by place and code, without duplicates.

        Arguments:
            tree: the parsed module; if there is none yet, only the functions that have to do with resources are parsed.

        Raises:
            SourceError: there is a syntax error in what had to be parsed.
        """
        sleepers = self._sleepers(parsed=tree is not None)
        if sleepers is not None:
            try:
                return _in_order(self._found(tree or parse(sleepers.skeleton), sleepers))
            except (OutlineError, RecursionError, MemoryError):
                pass  # the outline misleads, or takes a deeper stack than the file
        try:
            return _in_order(self._found(tree or syntax_tree(self.data, self.filename), None))
        except (RecursionError, MemoryError):  # CPython's parser says MemoryError when its own stack is full
            return [_too_deep()]

    def _sleepers(self, *, parsed: bool) -> Sleepers | None:
        """The functions without a word that has to do with a resource; None if that is none or cannot be told."""
        if self.outline is None:
            return None
        from flake8_forksafe.model.scopes import Sleepers

        telling = self._makers(self.rules) | _settlers(self.rules) | {"global"}
        blocks = self.outline.blocks
        awake = {line for line, b in blocks.items() if b.name in telling or not telling.isdisjoint(b.words)}
        return None if len(awake) == len(blocks) else Sleepers(self.outline, awake, parsed=parsed)

    def _found(self, tree: ast.Module, sleepers: Sleepers | None) -> Iterator[Finding]:
        from flake8_forksafe.model.scopes import ScopeTable

        scopes = ScopeTable(tree, sleepers)
        try:
            yield from self._found_in(scopes)
        finally:
            scopes.dissolve()

    def _found_in(self, scopes: ScopeTable) -> Iterator[Finding]:
        rules = self._spelled(self.rules, scopes.spelled)
        if not rules:
            return
        from flake8_forksafe.model.liveness import live_functions
        from flake8_forksafe.model.scopes import spelled_in

        live = live_functions(scopes, self._makers(rules), _settlers(rules))
        rules = self._spelled(rules, spelled_in(live) | (scopes.spelled & MODULES))
        rules = [rule for rule in rules if rule.plausible(scopes, live)]
        if not rules:
            return
        from flake8_forksafe.model.module import ModuleModel

        shebang = self.data.startswith(b"#!")
        model = ModuleModel(scopes, self.settings, self.filename, shebang=shebang, live=live)
        for rule in rules:
            yield from rule.check(model)
        model.dissolve()

    def _spelled(self, rules: Collection[Rule], words: Collection[str]) -> Collection[Rule]:
        """Those of `rules` whose identifiers are among `words`; all, if the user names callables that stand for any."""
        if _factories(self.settings):
            return rules
        return [rule for rule in rules if all(not group.isdisjoint(words) for group in rule.names)]

    def _makers(self, rules: Collection[Rule]) -> frozenset[str]:
        return _factories(self.settings).union(*(rule.makers for rule in rules))


def _settlers(rules: Collection[Rule]) -> frozenset[str]:
    return frozenset[str]().union(*(rule.settlers for rule in rules))


def _in_order(findings: Iterator[Finding]) -> list[Finding]:
    by_place = {(finding.span, finding.code): finding for finding in findings}
    return [by_place[place] for place in sorted(by_place)]


@contextmanager
def _collector_held() -> Iterator[None]:
    """Collect no garbage meanwhile: trees and models are many small objects that all live until they are done with."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _factories(settings: Settings) -> frozenset[str]:
    """The last names of what the user says makes handles or threads."""
    return last_names(settings.thread_starters | settings.process_factories)


def _too_deep() -> Finding:
    return Finding(
        TOO_DEEP,
        Span(1, 0, 1, 0),
        "this code is nested too deeply to be analysed, and no rule has looked at it; exclude the file",
    )
