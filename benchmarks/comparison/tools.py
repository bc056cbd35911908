"""The tools: how each is installed and run with all its rules on, and how its output is read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from benchmarks.pinned import PROJECT

HERE = Path(__file__).resolve().parent
RULES_REPOSITORY = "https://github.com/semgrep/semgrep-rules"
RULES_COMMIT = "157ae4706d7f54aa33647332f234dd68f30da195"

_PIP_SECONDS = 900
_RUN_SECONDS = 900
_FETCH_SECONDS = 300

OURS = "flake8-forksafe"


class ToolError(Exception):
    """A tool that cannot be installed or did not run; the message is for people."""


class Report(NamedTuple):
    """One report: the path relative to the folder that was checked, the lines it spans, and the rule."""

    path: str
    first: int
    last: int
    rule: str


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with the pinned packages of one requirements file."""

    folder: Path

    def program(self, name: str) -> str:
        """Return the path of an installed program."""
        return str(self.folder / "bin" / name)

    def version(self, package: str) -> str:
        """Return the installed version of `package`."""
        code = f"from importlib.metadata import version; print(version({package!r}))"
        return run((self.program("python"), "-c", code), cwd=self.folder).strip()


def install(folder: Path, requirements: Path, *projects: Path) -> Environment:
    """Make a virtual environment in `folder`, anew, that holds `requirements` and then `projects`.

    Raises `ToolError` when pip cannot install them.
    """
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(folder)
    environment = Environment(folder)
    pip = (sys.executable, "-m", "pip", "--python", environment.program("python"), "install", "-q")
    run((*pip, "-r", str(requirements), *map(str, projects)), cwd=folder, seconds=_PIP_SECONDS)
    return environment


def run(command: Sequence[str], *, cwd: Path, statuses: frozenset[int] = frozenset({0}), seconds: int = 60) -> str:
    """Return what `command` writes to stdout; raise `ToolError` when it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{command[0]} did not run: {error}") from error
    if done.returncode not in statuses:
        raise ToolError(f"{command[0]} failed with status {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Tool(ABC):
    """One tool in its environment."""

    environment: Environment
    name: ClassVar[str]

    def version(self) -> str:
        """Return the version for the table."""
        return self.environment.version(self.name)

    @property
    @abstractmethod
    def options(self) -> str:
        """What was switched on, in words for the page."""

    @abstractmethod
    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Yield the reports over every file of `folder` for the oldest Python to support, such as `3.11`."""


class Flake8(Tool):
    """Flake8 with one plugin's codes."""

    def _check(self, folder: Path, *arguments: str) -> Iterator[Report]:
        flake8 = (self.environment.program("flake8"), "--isolated", "--exit-zero", "--disable-noqa", *arguments, ".")
        for line in run(flake8, cwd=folder, seconds=_RUN_SECONDS).splitlines():
            report = re.fullmatch(r"\./(.+?):(\d+):\d+: (\w+) .*", line)
            if report is None:
                raise ToolError(f"flake8 printed {line!r}")
            yield Report(report[1], int(report[2]), int(report[2]), report[3])


class Forksafe(Flake8):
    """This project."""

    name = OURS

    @property
    def options(self) -> str:
        """The default, and the opt-in rule."""
        return "`--select FRK,FRK507`"

    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Run the plugin."""
        yield from self._check(folder, "--select=FRK,FRK507", f"--forksafe-target-version={target}")


class Flake8Async(Flake8):
    """flake8-async."""

    name = "flake8-async"

    @property
    def options(self) -> str:
        """Its optional codes too."""
        return "`--select ASYNC --enable ASYNC`"

    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Run the plugin, which knows no target version."""
        del target
        yield from self._check(folder, "--select=ASYNC", "--enable=ASYNC")


class Ruff(Tool):
    """ruff."""

    name = "ruff"

    @property
    def options(self) -> str:
        """Every rule, the unstable ones too."""
        return "`--select ALL --preview`"

    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Run ruff."""
        command = (
            *(self.environment.program("ruff"), "check", "--isolated", "--no-cache", "--exit-zero", "--ignore-noqa"),
            *(
                "--select=ALL",
                "--preview",
                f"--target-version=py{target.replace('.', '')}",
                "--output-format=json",
                ".",
            ),
        )
        for entry in json.loads(run(command, cwd=folder, seconds=_RUN_SECONDS)):
            path = str(Path(entry["filename"]).relative_to(folder))
            yield Report(path, entry["location"]["row"], entry["end_location"]["row"], entry["code"])


class Pylint(Tool):
    """pylint."""

    name = "pylint"

    @property
    def options(self) -> str:
        """Every message of the core and of every extension."""
        return "`--enable=all`, every extension loaded"

    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Run pylint over all files at once."""
        command = (
            *(self.environment.program("pylint"), f"--rcfile={os.devnull}", f"--load-plugins={self._extensions()}"),
            *("--enable=all", f"--py-version={target}", "--output-format=json2", "--exit-zero"),
            *sorted(str(path.relative_to(folder)) for path in folder.rglob("*.py")),
        )
        for entry in json.loads(run(command, cwd=folder, seconds=_RUN_SECONDS))["messages"]:
            yield Report(entry["path"], entry["line"], entry["endLine"] or entry["line"], entry["messageId"])

    def _extensions(self) -> str:
        code = (
            "import pkgutil, pylint.extensions as package\n"
            "names = (module.name for module in pkgutil.iter_modules(package.__path__))\n"
            "print(','.join(f'pylint.extensions.{name}' for name in names if not name.startswith('_')))"
        )
        return run((self.environment.program("python"), "-c", code), cwd=self.environment.folder).strip()


class Bandit(Tool):
    """bandit."""

    name = "bandit"

    @property
    def options(self) -> str:
        """All its tests are on by default."""
        return "its default, which is every test"

    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Run bandit, which knows no target version."""
        del target
        command = (self.environment.program("bandit"), "-q", "-r", ".", "--ignore-nosec", "--exit-zero", "-f", "json")
        for entry in json.loads(run(command, cwd=folder, seconds=_RUN_SECONDS))["results"]:
            lines = (entry["line_number"], *entry["line_range"])
            yield Report(str(Path(entry["filename"])), min(lines), max(lines), entry["test_id"])


@dataclass(frozen=True, slots=True)
class Semgrep(Tool):
    """Semgrep with the Python rules of its public repository."""

    rules: Path
    name = "semgrep"

    @property
    def options(self) -> str:
        """Which rules."""
        date = run(("git", "log", "-1", "--format=%cs"), cwd=self.rules).strip()
        return f"every rule in `python/` of semgrep/semgrep-rules, commit {RULES_COMMIT[:12]} of {date}"

    def check(self, folder: Path, target: str) -> Iterator[Report]:
        """Run semgrep, which knows no target version."""
        del target
        command = (
            *(self.environment.program("semgrep"), "scan", "--metrics=off", "--disable-version-check"),
            *("--disable-nosem", "--no-git-ignore", "--json", f"--config={self.rules / 'python'}", "."),
        )
        for entry in json.loads(run(command, cwd=folder, seconds=_RUN_SECONDS))["results"]:
            rule = entry["check_id"].rpartition(".")[2]
            yield Report(str(Path(entry["path"])), entry["start"]["line"], entry["end"]["line"], rule)


def fetch_semgrep_rules(folder: Path, repository: str) -> Path | None:
    """Return a checkout of the pinned rules in `folder`, or None when `repository` cannot be reached.

    `repository` is a URL or the path of a clone. The rules are used under their own licence and are not part of this
    project.
    """
    if (folder / "python").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run(("git", "init", "--quiet"), cwd=folder)
        fetch = ("git", "fetch", "--quiet", "--depth=1", repository, RULES_COMMIT)
        run(fetch, cwd=folder, seconds=_FETCH_SECONDS)
        run(("git", "checkout", "--quiet", "FETCH_HEAD", "--", "python"), cwd=folder)
        run(("git", "update-ref", "HEAD", "FETCH_HEAD"), cwd=folder)
    except ToolError as problem:
        print(f"comparison: no rules for semgrep: {problem}", file=sys.stderr)
        return None
    return folder


def tools(destination: Path, *, semgrep_rules: str) -> list[Tool]:
    """Install every tool below `destination` and return them in the order of the columns.

    semgrep is left out when its rules cannot be had. Raises `ToolError`.
    """
    linters = install(destination / "linters", HERE / "linters.txt", PROJECT)
    found: list[Tool] = [Forksafe(linters), Ruff(linters), Pylint(linters), Bandit(linters), Flake8Async(linters)]
    rules = fetch_semgrep_rules(destination / "semgrep-rules", semgrep_rules)
    if rules is not None:
        found.append(Semgrep(install(destination / "semgrep", HERE / "semgrep.txt"), rules))
    return found
