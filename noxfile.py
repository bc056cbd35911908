"""The test suite on every supported Python that this machine has: `nox`."""

from __future__ import annotations

import os
import shutil
import subprocess

import nox

nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "venv"

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def activate_pyenv_versions() -> None:
    """Let pyenv's shims answer for every version it has: without this they do only for the one that is active."""
    pyenv = shutil.which("pyenv")
    if pyenv is None or "PYENV_VERSION" in os.environ:
        return
    listed = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, check=True, text=True).stdout.split()
    os.environ["PYENV_VERSION"] = ":".join(version for version in listed if version.startswith(tuple(PYTHONS)))


activate_pyenv_versions()


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    session.install("--quiet", "-e", ".[test]")
    session.run("pytest", "-n", "2", *session.posargs)
