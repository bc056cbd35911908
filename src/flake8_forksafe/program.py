"""The whole-program mode of `forksafe`: a thread that one module starts and a fork in another.

Each file is checked as always and summarised on the side (`model.summary`); then the summaries are linked
(`model.program`), and what comes out is put among the findings of the file that forks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe import gate, noqa, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.inspection import Inspection, Mode
from flake8_forksafe.model.module import ModuleModel
from flake8_forksafe.model.program import Link, ModuleName, ProgramModel
from flake8_forksafe.model.scopes import ScopeTable
from flake8_forksafe.model.summary import ModuleSummary, summarise
from flake8_forksafe.reporting.outcome import Outcome, Related, place_of
from flake8_forksafe.rules import frk301_fork_in_threaded_module as frk301
from flake8_forksafe.rules import frk302_multiprocessing_fork_in_threaded_module as frk302
from flake8_forksafe.source import Source, SourceError, syntax_tree, utf8_text
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.config import Config
    from flake8_forksafe.discovery import Target
    from flake8_forksafe.reporting.outcome import Entry

#: Runs an inspection over files and gives what becomes of each, in any order.
Inspect = Callable[[Inspection, Sequence[str]], Iterable[Outcome]]
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import\b([^\n(]*(?:\([^)]*\))?)", re.MULTILINE)
_NAME = re.compile(rb"[\w.]+")
_STARTS = "set_start_method"


class Survey(NamedTuple):
    """What linking needs of one file: what it may import, by dotted names, and its summary if it has been made."""

    imports: frozenset[str]
    summary: ModuleSummary | None


class Surveyor(Inspection):
    """An inspection whose outcomes hold surveys.

    Arguments:
        config: what the user has configured.
        directory: the folder that holds the files.
        project: the first parts of the names by which the project's modules are imported.
        between: whether the files have been checked and are summarised because of what they import.
    """

    def __init__(self, config: Config, directory: str, project: frozenset[str], *, between: bool = False) -> None:
        super().__init__(Mode.REPORT, config, directory)
        self.config, self.directory, self.project, self._between = config, directory, project, between

    def at_sight(self, target: Target) -> Outcome | None:  # noqa: ARG002 - of every file there is something to say
        """Return None: every file is surveyed."""
        return None

    def file(self, path: str) -> Outcome:
        """Inspect the file `path`, unless that has been done, and survey it."""
        outcome = Outcome(path) if self._between else super().file(path)
        if outcome.problem:
            return outcome
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - once per file of the tree
                data = file.read()
            return outcome._replace(survey=self._survey(utf8_text(data, path), path))
        except (OSError, ValueError, RecursionError, MemoryError):
            return outcome  # the check of the file alone speaks of what is wrong with it
        except Exception as error:  # noqa: BLE001 - no file may stop the others
            problem = f"internal error, please report it: {type(error).__name__}: {error}"
            return outcome._replace(problem=problem)

    def _survey(self, text: bytes, path: str) -> Survey:
        return Survey(
            frozenset(_imports(text)), self._summary(text, path) if self._between or self._is_telling(text) else None
        )

    def _is_telling(self, text: bytes) -> bool:
        if not gate.admits(text, self._factories):
            return False
        telling = words.THREAD | words.FORK | words.MULTIPROCESSING | {_STARTS} | self._factories
        return any(word.encode() in text for word in telling)

    def _summary(self, text: bytes, path: str) -> ModuleSummary:
        tree = syntax_tree(text, path)
        scopes = ScopeTable(tree)
        live = () if self._between else scopes.functions  # what is between starts and forks nothing itself
        shebang = text.startswith(b"#!")
        return summarise(ModuleModel(scopes, self.settings, path, shebang=shebang, live=live), self.project)

    def added(self, link: Link) -> tuple[Entry, ...]:
        """Return the finding that a link makes; nothing if its code is off there or a comment silences it."""
        finding = _finding(link)
        if not self.config.selection.rules([registry.rules()[finding.code]], link.path):
            return ()
        try:
            data, other = _read(link.path), Source.from_bytes(_read(link.thread_path), link.thread_path)
        except (OSError, SourceError):  # changed or gone since it was checked
            return ()
        kept = noqa.unsilenced([finding], data, link.path)
        place = place_of(link.thread_span, other)
        related = (Related(place, "a thread is started here", link.thread_path),)
        return tuple(e._replace(related=related) for e in self.entries(kept, data, link.path))


def surveyor(config: Config, directory: str, paths: Iterable[str]) -> Surveyor:
    """Return the inspection of the program that the files `paths` make up."""
    project = frozenset(name.dotted.partition(".")[0] for name in names(paths).values())
    return Surveyor(config, directory, project)


def linked(surveyed: Surveyor, outcomes: Sequence[Outcome], inspect: Inspect) -> list[Outcome]:
    """Return the outcomes of a whole program with the findings that only the whole of it shows.

    Arguments:
        surveyed: what has inspected the files.
        outcomes: of all files.
        inspect: how to inspect more of them.
    """
    known = names(outcome.path for outcome in outcomes)
    surveys = {o.path: o.survey for o in outcomes if o.survey is not None}
    summaries = {path: survey.summary for path, survey in surveys.items() if survey.summary is not None}
    if not any(_may_fork(summary) for summary in summaries.values()):
        return list(outcomes)
    between = sorted(_between(known, surveys))
    second = Surveyor(surveyed.config, surveyed.directory, surveyed.project, between=True)
    problems = {}
    for outcome in inspect(second, between):
        if outcome.survey is not None and outcome.survey.summary is not None:
            summaries[outcome.path] = outcome.survey.summary
        elif outcome.problem:
            problems[outcome.path] = outcome.problem
    program = ProgramModel(dict(sorted(summaries.items())), known, surveyed.settings.target_version)
    more: dict[str, list[Entry]] = {}
    for link in program.links():
        more.setdefault(link.path, []).extend(surveyed.added(link))
    return [
        _with(outcome, more.get(outcome.path, []))._replace(problem=problems.get(outcome.path, outcome.problem))
        for outcome in outcomes
    ]


def _may_fork(summary: ModuleSummary) -> bool:
    if any("multiprocessing.Process" in bases for bases in summary.classes.values()):
        return True
    return any(site.fork is not None for function in summary.functions.values() for site in function.sites)


def _imports(text: bytes) -> Iterator[str]:
    """The dotted names that the lines with `import` name, more rather than fewer of them."""
    for found in _IMPORT.finditer(text):
        base = (found[1] or b"").decode()
        joint = "." if base.strip(".") else ""
        if base:
            yield base
        for name in _NAME.findall(found[2]):
            yield f"{base}{joint}{name.decode()}"


def _between(known: Mapping[str, ModuleName], surveys: Mapping[str, Survey]) -> Iterator[str]:
    """The files that import, at however many removes, one that has been summarised."""
    importing: dict[str, list[str]] = {}
    for path, survey in surveys.items():
        if survey.summary is None:
            for name in survey.imports:
                importing.setdefault(known[path].absolute(name) or "", []).append(path)
    work = [path for path, survey in surveys.items() if survey.summary is not None]
    seen = set(work)
    while work:
        for path in importing.get(known[work.pop()].dotted, ()):
            if path not in seen:
                seen.add(path)
                work.append(path)
                yield path


def _with(outcome: Outcome, more: Sequence[Entry]) -> Outcome:
    places = {(entry.code, entry.place.line, entry.place.column) for entry in outcome.left}
    fresh = [e for e in more if (e.code, e.place.line, e.place.column) not in places]
    if not fresh:
        return outcome
    left = sorted((*outcome.left, *fresh), key=lambda e: (e.place.line, e.place.column, e.code))
    return outcome._replace(left=tuple(left))


def _finding(link: Link) -> Finding:
    where = f"line {link.thread_span.line} of {link.thread_path}"
    fork = link.fork
    if fork.by_call:
        return Finding(frk301.RULE.code, fork.span, frk301.message(fork.what, where, f" ({link.how})"))
    text = frk302.message(fork.what, where, f" ({link.how})", explicit=fork.explicit)
    return Finding(frk302.RULE.code, fork.span, text)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - as in `Inspection`
        return file.read()


# The names by which files are imported


def names(paths: Iterable[str]) -> dict[str, ModuleName]:
    """Return the name of each file: below the nearest folder above it that is no package."""
    return {path: _name(path) for path in paths}


def _name(path: str) -> ModuleName:
    folder, file = os.path.split(os.path.abspath(path))  # noqa: PTH100 - text, for speed
    stem = os.path.splitext(file)[0]  # noqa: PTH122 - as above
    root, packages = _packages(folder)
    parts = packages if stem == "__init__" else (*packages, stem)
    return ModuleName(root, ".".join(parts), ".".join(packages), bool(packages))


@cache
def _packages(folder: str) -> tuple[str, tuple[str, ...]]:
    """The nearest folder that is no package, and the packages below it that lead to `folder`."""
    if not os.path.isfile(os.path.join(folder, "__init__.py")):  # noqa: PTH113, PTH118 - as above
        return folder, ()
    above, name = os.path.split(folder)
    root, packages = _packages(above)
    return root, (*packages, name)
