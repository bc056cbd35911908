"""Virtual environments: flake8 alone, flake8 and this project, ruff.

The first two differ in one thing: the plugin is installed or not. flake8 finds plugins by
the metadata of what is installed, so this is how a user meets the difference. All hold the
releases in ``constraints.txt``.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_CONSTRAINTS = Path(__file__).resolve().parent / "constraints.txt"
_PIP_SECONDS = 600


class InstallError(Exception):
    """An environment that cannot be made as it must be; the message is for people."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One virtual environment, by its interpreter."""

    python: Path

    def flake8(self, *arguments: str) -> tuple[str, ...]:
        """Return the command that runs flake8 here, in one process, unconfigured."""
        return (str(self.python), "-m", "flake8", "--isolated", "-j1", *arguments)

    def script(self, name: str, *arguments: str) -> tuple[str, ...]:
        """Return the command that runs an installed program, as a user types it."""
        return (str(self.python.with_name(name)), *arguments)

    def flake8_version(self) -> str:
        """Return what ``flake8 --version`` prints here: flake8, plugins, Python."""
        return _printed(self.flake8("--version"))

    def version(self, name: str) -> str:
        """Return what the installed program `name` prints as its version."""
        return _printed(self.script(name, "--version"))


def flake8_alone(folder: Path) -> Environment:
    """Make an environment in `folder`, anew, that holds flake8."""
    return _make(folder, "flake8")


def flake8_with_plugin(folder: Path, project: Path) -> Environment:
    """Make an environment in `folder`, anew, that holds flake8 and the plugin.

    `project` is the checkout that is installed. Raises `InstallError` if flake8 does
    not list the plugin afterwards.
    """
    environment = _make(folder, "flake8", str(project))
    if "flake8-forksafe" not in environment.flake8_version():
        raise InstallError(f"flake8 does not list the plugin installed from {project}")
    return environment


def ruff(folder: Path) -> Environment:
    """Make an environment in `folder`, anew, that holds ruff."""
    return _make(folder, "ruff")


def _make(folder: Path, *requirements: str) -> Environment:
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(folder)
    environment = Environment(folder / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--python", str(environment.python))
    done = subprocess.run(
        (*pip, "install", "-q", "-c", str(_CONSTRAINTS), *requirements),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PIP_SECONDS,
    )
    if done.returncode != 0:
        raise InstallError(f"pip cannot install {requirements}:\n{done.stderr.strip()}")
    return environment


def _printed(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstallError(f"{' '.join(command)} does not start: {_last_line(done.stderr)}")
    return " ".join(done.stdout.split())


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"
