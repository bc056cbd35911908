"""The table `[tool.forksafe]` of the nearest pyproject.toml."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flake8_forksafe import codes
from flake8_forksafe.codes import PerFileIgnore, Selection
from flake8_forksafe.paths import anchored, upwards
from flake8_forksafe.reporting import FORMATS

if TYPE_CHECKING:
    from flake8_forksafe.settings import Settings

_FLAKE8_FILES = ("setup.cfg", "tox.ini", ".flake8")


class ConfigError(Exception):
    """A configuration that cannot be obeyed; the message names the file, the key and what to write."""


class Config(NamedTuple):
    """What the user has configured. None stands for what was not said.

    Arguments:
        file: the pyproject.toml it was read from.
        target_version: the oldest Python the code must run on.
        thread_starters: dotted names of callables whose call starts a thread.
        process_factories: dotted names of callables that return a handle like `subprocess.Popen`.
        grace_period: seconds between SIGTERM and SIGKILL in written code.
        selection: the codes that are on.
        exclude: patterns of files and folders that are left out, anchored.
        unsafe_fixes: whether unsafe fixes are made.
        output_format: one of `reporting.FORMATS`.
        jobs: number of processes.
        baseline: the file with the findings that are not shown.
        program: whether the files are checked as one program, too.
    """

    file: str | None = None
    target_version: tuple[int, int] | None = None
    thread_starters: frozenset[str] = frozenset()
    process_factories: frozenset[str] = frozenset()
    grace_period: float = 5.0
    selection: Selection = Selection()  # immutable
    exclude: tuple[str, ...] = ()
    unsafe_fixes: bool = False
    output_format: str = "text"
    jobs: int | None = None
    baseline: str | None = None
    program: bool = False

    def settings(self, directory: str) -> Settings:
        """Return the options of the analysis for code in `directory`."""
        from functools import partial

        from flake8_forksafe import target_version
        from flake8_forksafe.settings import Settings

        return Settings(
            target_version=self.target_version or partial(target_version.default, directory),
            thread_starters=self.thread_starters,
            process_factories=self.process_factories,
            grace_period=self.grace_period,
        )


def read(paths: Sequence[str]) -> Config:
    """Return the configuration for a run over `paths`: that of the nearest pyproject.toml above all of them.

    Raises:
        ConfigError: the file cannot be read, or it holds something that makes no sense.
    """
    directory = common_directory(paths)
    files = (os.path.join(folder, "pyproject.toml") for folder in upwards(directory))
    file = next((file for file in files if os.path.isfile(file)), None)
    table = _table(file) if file is not None else {}
    config = Config(file)
    for key, value in table.items():
        if key not in _KEYS:
            raise ConfigError(f"{_shown(file)}: [tool.forksafe] has no key {key!r}; the nearest is {_nearest(key)!r}")
        try:
            config = _KEYS[key](config, value)
        except ValueError as error:
            raise ConfigError(f"{_shown(file)}: {key} in [tool.forksafe]: {error}") from error
    if "per-file-ignores" not in table:
        config = _with_selection(config, per_file_ignores=_flake8_per_file_ignores(directory))
    return config


def common_directory(paths: Sequence[str]) -> str:
    """Return the deepest existing directory that holds all of `paths`."""
    common = os.path.commonpath([os.path.abspath(path) for path in paths])
    return next(folder for folder in upwards(common) if os.path.isdir(folder))


def _table(file: str) -> Mapping[str, object]:
    try:
        with open(file, "rb") as stream:
            data = stream.read()
        if b"forksafe" not in data:  # most projects say nothing, and need not wait for the parser of TOML
            return {}
        import tomllib

        document = tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"{_shown(file)}: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{_shown(file)}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{_shown(file)}: its values are nested too deeply") from error
    tool = document.get("tool", {})
    table = tool.get("forksafe", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{_shown(file)}: tool.forksafe is no table; write [tool.forksafe]")
    return table


def _shown(file: str | None) -> str:
    assert file is not None
    return _from_here(file)


def _from_here(path: str) -> str:
    """Return the absolute `path` relative to the current folder, if that holds it."""
    here = os.getcwd()
    return os.path.relpath(path) if os.path.commonpath([path, here]) == here else path


def _nearest(key: str) -> str:
    from difflib import get_close_matches

    (match,) = get_close_matches(key, _KEYS, n=1, cutoff=0.0)
    return match


# The values, as they are written in TOML and on the command line


def version(value: object) -> tuple[int, int]:
    """Return `3.11` as `(3, 11)`."""
    match = re.fullmatch(r"3\.(\d{1,2})", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no version; write the oldest Python to support as a text, such as '3.11'")
    return 3, int(match[1])


def seconds(value: object) -> float:
    """Return a grace period, which must be more than nothing and come to an end."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{value!r} is no number of seconds above 0")
    return number


def job_count(value: object) -> int:
    """Return a number of processes."""
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{value!r} is no number of processes above 0")
    return number


def dotted_names(value: object) -> frozenset[str]:
    """Return names that code is imported by."""
    names = _texts(value)
    for name in names:
        if not re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+", name):
            raise ValueError(f"{name!r} is no dotted name; write what it is imported by, such as 'mylib.jobs.spawn'")
    return frozenset(names)


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is no list of texts")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - all values fail alike
    return value


def _output_format(value: object) -> str:
    if value not in FORMATS:
        raise ValueError(f"{value!r} is no output format; write one of {', '.join(FORMATS)}")
    return str(value)


def _baseline(value: object, directory: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no name of a file, relative to the folder of this one")
    return _from_here(os.path.join(directory, value))


def _per_file_ignores(value: object, directory: str) -> tuple[PerFileIgnore, ...]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no table; write \"tests/*\" = ['FRK1']")  # noqa: TRY004 - all values fail alike
    return tuple(
        PerFileIgnore(anchored(pattern, directory), codes.checked(_texts(ignored)))
        for pattern, ignored in value.items()
    )


def _with_selection(config: Config, **changes: tuple[str, ...] | tuple[PerFileIgnore, ...]) -> Config:
    return config._replace(selection=config.selection._replace(**changes))  # type: ignore[arg-type] # by field name


def _directory(config: Config) -> str:
    assert config.file is not None
    return os.path.dirname(config.file)


_KEYS: Mapping[str, Callable[[Config, object], Config]] = {
    "target-version": lambda config, value: config._replace(target_version=version(value)),
    "thread-starters": lambda config, value: config._replace(thread_starters=dotted_names(value)),
    "process-factories": lambda config, value: config._replace(process_factories=dotted_names(value)),
    "grace-period": lambda config, value: config._replace(grace_period=seconds(value)),
    "select": lambda config, value: _with_selection(config, select=codes.checked(_texts(value))),
    "extend-select": lambda config, value: _with_selection(config, extend_select=codes.checked(_texts(value))),
    "ignore": lambda config, value: _with_selection(config, ignore=codes.checked(_texts(value))),
    "per-file-ignores": lambda config, value: _with_selection(
        config, per_file_ignores=_per_file_ignores(value, _directory(config))
    ),
    "exclude": lambda config, value: config._replace(exclude=exclude(_texts(value), _directory(config))),
    "unsafe-fixes": lambda config, value: config._replace(unsafe_fixes=_flag(value)),
    "output-format": lambda config, value: config._replace(output_format=_output_format(value)),
    "jobs": lambda config, value: config._replace(jobs=job_count(value)),
    "baseline": lambda config, value: config._replace(baseline=_baseline(value, _directory(config))),
    "program": lambda config, value: config._replace(program=_flag(value)),
}


def exclude(patterns: Iterable[str], directory: str) -> tuple[str, ...]:
    """Return `patterns`, each relative to `directory`, anchored."""
    return tuple(anchored(pattern, directory) for pattern in patterns)


def _flake8_per_file_ignores(directory: str) -> tuple[PerFileIgnore, ...]:
    """Return the `per-file-ignores` of flake8's own configuration, so that both say the same of a file."""
    for folder in upwards(directory):
        for name in _FLAKE8_FILES:
            file = os.path.join(folder, name)
            if not os.path.isfile(file):
                continue
            from configparser import Error, RawConfigParser

            parser = RawConfigParser()
            try:
                parser.read(file, encoding="utf-8")
            except (Error, UnicodeDecodeError):
                continue  # flake8 passes over it with a warning of its own
            if parser.has_section("flake8"):
                section = parser["flake8"]
                text = section.get("per-file-ignores", section.get("per_file_ignores", ""))
                return _from_flake8(text, folder, file)
    return ()


def _from_flake8(text: str, folder: str, file: str) -> tuple[PerFileIgnore, ...]:
    if not text.strip():
        return ()
    from flake8.exceptions import ExecutionError
    from flake8.utils import parse_files_to_codes_mapping

    try:
        pairs = parse_files_to_codes_mapping(text)
    except ExecutionError as error:
        raise ConfigError(f"{_shown(file)}: per-file-ignores in [flake8] is no mapping of files to codes") from error
    return tuple(PerFileIgnore(anchored(pattern, folder), tuple(ignored)) for pattern, ignored in pairs)
