"""The table `[tool.forksafe]` of the nearest pyproject.toml."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_forksafe import codes
from flake8_forksafe.codes import PerFileIgnore, Selection
from flake8_forksafe.patterns import anchored
from flake8_forksafe.reporting import FORMATS

if TYPE_CHECKING:
    from flake8_forksafe.settings import Settings

_VERSION = re.compile(r"3\.(\d{1,2})")
_DOTTED_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_FLAKE8_FILES = ("setup.cfg", "tox.ini", ".flake8")


class ConfigError(Exception):
    """A configuration that cannot be obeyed; the message names the file, the key and what to write."""


@dataclass(frozen=True, slots=True)
class Config:
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
    """

    file: Path | None = None
    target_version: tuple[int, int] | None = None
    thread_starters: frozenset[str] = frozenset()
    process_factories: frozenset[str] = frozenset()
    grace_period: float = 5.0
    selection: Selection = field(default_factory=Selection)
    exclude: tuple[str, ...] = ()
    unsafe_fixes: bool = False
    output_format: str = "text"
    jobs: int | None = None
    baseline: Path | None = None

    def settings(self, directory: Path) -> Settings:
        """Return the options of the analysis for code in `directory`."""
        from flake8_forksafe import target_version
        from flake8_forksafe.settings import Settings

        return Settings(
            target_version=self.target_version or target_version.default(directory),
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
    file = next((f for d in (directory, *directory.parents) if (f := d / "pyproject.toml").is_file()), None)
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


def common_directory(paths: Sequence[str]) -> Path:
    """Return the deepest existing directory that holds all of `paths`."""
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - `..` must go
    directory = Path(os.path.commonpath(absolute))
    return next(d for d in (directory, *directory.parents) if d.is_dir())


def _table(file: Path) -> Mapping[str, object]:
    import tomllib

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
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


def _shown(file: Path | None) -> str:
    assert file is not None
    return os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file)


def _nearest(key: str) -> str:
    from difflib import get_close_matches

    (match,) = get_close_matches(key, _KEYS, n=1, cutoff=0.0)
    return match


# The values, as they are written in TOML and on the command line


def version(value: object) -> tuple[int, int]:
    """Return `3.11` as `(3, 11)`."""
    match = _VERSION.fullmatch(value) if isinstance(value, str) else None
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
        if not _DOTTED_NAME.fullmatch(name):
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


def _baseline(value: object, directory: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no name of a file, relative to the folder of this one")
    file = directory / value
    return Path(os.path.relpath(file)) if file.is_relative_to(Path.cwd()) else file


def _per_file_ignores(value: object, directory: Path) -> tuple[PerFileIgnore, ...]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no table; write \"tests/*\" = ['FRK1']")  # noqa: TRY004 - all values fail alike
    return tuple(
        PerFileIgnore(anchored(pattern, str(directory)), codes.checked(_texts(ignored)))
        for pattern, ignored in value.items()
    )


def _with_selection(config: Config, **changes: tuple[str, ...] | tuple[PerFileIgnore, ...]) -> Config:
    return replace(config, selection=replace(config.selection, **changes))  # type: ignore[arg-type] # by field name


def _directory(config: Config) -> Path:
    assert config.file is not None
    return config.file.parent


_KEYS: Mapping[str, Callable[[Config, object], Config]] = {
    "target-version": lambda config, value: replace(config, target_version=version(value)),
    "thread-starters": lambda config, value: replace(config, thread_starters=dotted_names(value)),
    "process-factories": lambda config, value: replace(config, process_factories=dotted_names(value)),
    "grace-period": lambda config, value: replace(config, grace_period=seconds(value)),
    "select": lambda config, value: _with_selection(config, select=codes.checked(_texts(value))),
    "extend-select": lambda config, value: _with_selection(config, extend_select=codes.checked(_texts(value))),
    "ignore": lambda config, value: _with_selection(config, ignore=codes.checked(_texts(value))),
    "per-file-ignores": lambda config, value: _with_selection(
        config, per_file_ignores=_per_file_ignores(value, _directory(config))
    ),
    "exclude": lambda config, value: replace(config, exclude=exclude(_texts(value), _directory(config))),
    "unsafe-fixes": lambda config, value: replace(config, unsafe_fixes=_flag(value)),
    "output-format": lambda config, value: replace(config, output_format=_output_format(value)),
    "jobs": lambda config, value: replace(config, jobs=job_count(value)),
    "baseline": lambda config, value: replace(config, baseline=_baseline(value, _directory(config))),
}


def exclude(patterns: Iterable[str], directory: Path) -> tuple[str, ...]:
    """Return `patterns`, each relative to `directory`, anchored."""
    return tuple(anchored(pattern, str(directory)) for pattern in patterns)


def _flake8_per_file_ignores(directory: Path) -> tuple[PerFileIgnore, ...]:
    """Return the `per-file-ignores` of flake8's own configuration, so that both say the same of a file."""
    from configparser import Error, RawConfigParser

    for folder in (directory, *directory.parents):
        for name in _FLAKE8_FILES:
            parser = RawConfigParser()
            try:
                parser.read(folder / name, encoding="utf-8")
            except (Error, UnicodeDecodeError):
                continue  # flake8 passes over it with a warning of its own
            if parser.has_section("flake8"):
                section = parser["flake8"]
                text = section.get("per-file-ignores", section.get("per_file_ignores", ""))
                return _from_flake8(text, folder, folder / name)
    return ()


def _from_flake8(text: str, folder: Path, file: Path) -> tuple[PerFileIgnore, ...]:
    if not text.strip():
        return ()
    from flake8.exceptions import ExecutionError
    from flake8.utils import parse_files_to_codes_mapping

    try:
        pairs = parse_files_to_codes_mapping(text)
    except ExecutionError as error:
        raise ConfigError(f"{_shown(file)}: per-file-ignores in [flake8] is no mapping of files to codes") from error
    return tuple(PerFileIgnore(anchored(pattern, str(folder)), tuple(ignored)) for pattern, ignored in pairs)
