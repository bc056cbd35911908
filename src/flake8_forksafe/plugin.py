"""The flake8 adapter.

flake8 imports this module at every start, so it imports only the coarse net of the prefilter; rules and model are
imported when the first file passes that net.
"""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from flake8_forksafe import __version__, gate
from flake8_forksafe.source import Source

if TYPE_CHECKING:
    import argparse

    from flake8.options.manager import OptionManager

    from flake8_forksafe.rule import Rule
    from flake8_forksafe.settings import Settings

_VERSION = re.compile(r"3\.\d{1,2}")
_DOTTED_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


class _Run(NamedTuple):
    """What all files of one flake8 run have in common."""

    settings: Settings
    rules: tuple[Rule, ...]


class Plugin:
    """The tree plugin that flake8 makes one instance of per file."""

    name = "flake8-forksafe"
    version = __version__

    _options: ClassVar[argparse.Namespace]
    _extra_words: ClassVar[frozenset[str]] = frozenset()
    _run: ClassVar[_Run | None] = None

    def __init__(self, tree: ast.Module, filename: str, lines: Sequence[str]) -> None:
        self._tree = tree
        self._source = Source(filename, lines)

    @classmethod
    def add_options(cls, manager: OptionManager) -> None:
        """Declare the plugin's options; flake8 shows them as a group of their own."""
        manager.add_option(
            "--forksafe-target-version",
            metavar="3.N",
            default="",
            parse_from_config=True,
            help="oldest Python the code must run on; below 3.14 multiprocessing forks by default on Linux "
            "(default: lowest Python that requires-python of the nearest pyproject.toml admits, else the running one)",
        )
        manager.add_option(
            "--forksafe-thread-starters",
            metavar="NAMES",
            default="",
            parse_from_config=True,
            comma_separated_list=True,
            help="dotted names of further callables whose call starts a thread, comma-separated",
        )
        manager.add_option(
            "--forksafe-process-factories",
            metavar="NAMES",
            default="",
            parse_from_config=True,
            comma_separated_list=True,
            help="dotted names of further callables that return a handle like subprocess.Popen does, comma-separated",
        )

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Take over the parsed options.

        Raises:
            flake8.exceptions.ExecutionError: an option's value makes no sense; flake8 prints the one line.
        """
        _validate(options)
        cls._options = options
        cls._extra_words = gate.last_names([*options.forksafe_thread_starters, *options.forksafe_process_factories])
        cls._run = None

    @classmethod
    def load_rules(cls) -> Mapping[str, Rule]:
        """Return all rules by code."""
        from flake8_forksafe import registry

        return registry.rules()

    def run(self) -> Iterator[tuple[int, int, str, type[Any]]]:
        """Yield flake8's `(line, column, text, type)`; lines count from 1, columns from 0 in characters."""
        data = self._source.utf8()
        if not gate.admits(data, self._extra_words):
            return
        from flake8_forksafe import analysis

        run = self._current_run()
        findings = analysis.check_tree(
            self._tree, data, filename=self._source.filename, settings=run.settings, rules=run.rules
        )
        for finding in findings:
            column, _ = self._source.columns(finding.span)
            yield finding.span.line, column, f"{finding.code} {finding.message}", type(self)

    @classmethod
    def _current_run(cls) -> _Run:
        if cls._run is None:
            rules = tuple(rule for rule in cls.load_rules().values() if _is_enabled(rule, cls._options))
            cls._run = _Run(settings(cls._options), rules)
            # What has been imported stays. flake8 makes so many objects that the collector goes over all there are
            # again and again, and would take as long for the model and the rules as these take for the files.
            gc.freeze()
        return cls._run


def _validate(options: argparse.Namespace) -> None:
    from flake8.exceptions import ExecutionError

    version = options.forksafe_target_version
    if version and not _VERSION.fullmatch(version):
        raise ExecutionError(
            f"forksafe-target-version is {version!r}; write the oldest Python to support, such as 3.11"
        )
    for option in ("forksafe_thread_starters", "forksafe_process_factories"):
        for name in getattr(options, option):
            if not _DOTTED_NAME.fullmatch(name):
                raise ExecutionError(
                    f"{option.replace('_', '-')} holds {name!r}; write the dotted name it is imported by, "
                    "such as mylib.jobs.spawn"
                )


def settings(options: argparse.Namespace) -> Settings:
    """Return the settings of a run with the parsed `options`."""
    from flake8_forksafe import target_version
    from flake8_forksafe.settings import Settings

    version = options.forksafe_target_version
    directory = _start_directory(options)
    return Settings(
        target_version=(3, int(version[2:])) if version else partial(target_version.default, str(directory)),
        thread_starters=frozenset(options.forksafe_thread_starters),
        process_factories=frozenset(options.forksafe_process_factories),
        with_fixes=False,  # flake8 only shows messages
    )


def _start_directory(options: argparse.Namespace) -> Path:
    """Return the directory of the first path that flake8 was given, else the current one."""
    first = next(iter(options.filenames), ".")
    path = Path(options.stdin_display_name if first == "-" else first).absolute()
    directory = path if path.is_dir() else path.parent
    return directory if directory.is_dir() else Path.cwd()


def _is_enabled(rule: Rule, options: argparse.Namespace) -> bool:
    """Return whether flake8 would show a finding of `rule` in at least some file.

    Opt-in rules run only when their very code is named. flake8's default ignore list is no place for them: it is void
    as soon as the user sets `ignore`.
    """
    from flake8.style_guide import Decision, DecisionEngine

    if rule.opt_in and rule.code not in {*(options.select or ()), *(options.extend_select or ())}:
        return False
    return DecisionEngine(options).decision_for(rule.code) is Decision.Selected
