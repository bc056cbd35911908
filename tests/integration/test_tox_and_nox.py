"""flake8 with the plugin from tox and from nox, by the recipes of docs/integrations.md."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Documented = Callable[[str, str], str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

FOUND = "src/build.py:6:12: FRK101 "


def recipe(text: str, wheel: Path) -> str:
    """Return the recipe with this checkout in place of the released package."""
    assert text.count("flake8-forksafe") == 1
    return text.replace("flake8-forksafe", str(wheel))


@pytest.mark.parametrize(
    ("heading", "language", "file", "command"),
    [
        ("tox", "ini", "tox.ini", ["-m", "tox", "run", "-e", "flake8"]),
        ("nox", "python", "noxfile.py", ["-m", "nox", "--session", "flake8"]),
    ],
)
def test_the_recipe_fails_on_the_hazard_and_passes_without_it(
    heading: str,
    language: str,
    file: str,
    command: list[str],
    project: Path,
    wheel: Path,
    documented: Documented,
    run: Run,
) -> None:
    if importlib.util.find_spec(heading) is None:
        pytest.skip(f"needs {heading}")
    (project / file).write_text(recipe(documented(heading, language), wheel), encoding="utf-8")
    found = run(project, sys.executable, *command, timeout=300)
    assert found.returncode != 0, found.stderr
    assert FOUND in found.stdout + found.stderr, found.stdout + found.stderr
    (project / "src" / "build.py").unlink()
    clean = run(project, sys.executable, *command, timeout=300)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert FOUND not in clean.stdout
