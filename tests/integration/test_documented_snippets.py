"""The code blocks of docs/integrations.md: each parses, fits the published schema, and runs, as far as it can here."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

Documented = Callable[[str, str], str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PARSERS: dict[str, Callable[[str], object]] = {
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
    "json": json.loads,
    "ini": lambda text: configparser.ConfigParser().read_string(text),
    "python": ast.parse,
    "starlark": ast.parse,  # as far as these recipes use it, a part of Python
}
#: Languages that no parser here knows; the editors themselves read them in test_editors.py.
OF_EDITORS = {"vim", "lua", "elisp"}


def test_every_block_parses(page_blocks: list[tuple[str, str, str]]) -> None:
    assert len(page_blocks) >= 15
    for _, language, text in page_blocks:
        if language not in OF_EDITORS:
            PARSERS[language](text)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("check_jsonschema") is None, reason="needs check-jsonschema")
@pytest.mark.parametrize(
    ("heading", "schema"),
    [
        ("Annotations", "vendor.github-workflows"),
        ("Code scanning", "vendor.github-workflows"),
        ("GitLab CI", "vendor.gitlab-ci"),
    ],
)
def test_the_recipe_fits_the_schema_of_the_service(
    heading: str, schema: str, tmp_path: Path, documented: Documented, run: Run
) -> None:
    (tmp_path / "recipe.yml").write_text(documented(heading, "yaml"), encoding="utf-8")
    done = run(tmp_path, sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "recipe.yml")
    assert done.returncode == 0, done.stdout


def test_pre_commit_accepts_the_recipes(tmp_path: Path, page_blocks: list[tuple[str, str, str]], run: Run) -> None:
    recipes = [text for heading, language, text in page_blocks if (heading, language) == ("pre-commit", "yaml")]
    assert len(recipes) == 2
    for recipe in recipes:
        (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
        done = run(tmp_path, sys.executable, "-m", "pre_commit", "validate-config", "recipe.yaml")
        assert done.returncode == 0, done.stdout


def commands(recipe: dict[str, Any]) -> Iterator[str]:
    """Yield the shell commands of a GitHub workflow or a GitLab pipeline, but those that install."""
    for job in recipe.get("jobs", recipe).values():
        for step in job.get("script", []) + [step["run"] for step in job.get("steps", []) if "run" in step]:
            if not step.startswith("pip install"):
                yield step


@pytest.mark.parametrize(
    ("heading", "output"),
    [
        ("Annotations", None),
        ("Code scanning", "forksafe.sarif"),
        ("GitLab CI", "gl-code-quality-report.json"),
    ],
)
def test_the_commands_of_the_recipe_fail_on_the_hazard_and_leave_their_report(
    heading: str, output: str | None, project: Path, documented: Documented, run: Run
) -> None:
    text = documented(heading, "yaml")
    (command,) = commands(yaml.safe_load(text))
    done = run(project, "bash", "-e", "-o", "pipefail", "-c", command)
    assert done.returncode == 1, done.stderr
    if output is None:
        assert done.stdout.startswith("::error title=FRK101,file=src/build.py,line=6,")
    else:
        assert text.count(output) == 2, "the file that is written is the one that is uploaded"
        assert "FRK101" in json.dumps(json.loads((project / output).read_text(encoding="utf-8")))


def test_the_hooks_of_the_page_are_those_of_the_repository(page_blocks: list[tuple[str, str, str]]) -> None:
    root = Path(__file__).parents[2]
    hooks = {hook["id"] for hook in yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    page = (root / "docs" / "integrations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", page.split("## tox")[0], flags=re.MULTILINE)) == hooks
    used = {
        hook["id"]
        for heading, language, text in page_blocks
        if (heading, language) == ("pre-commit", "yaml")
        for repository in yaml.safe_load(text)["repos"]
        for hook in repository["hooks"]
        if "URL of this repository" in repository["repo"]
    }
    assert used
    assert used <= hooks
