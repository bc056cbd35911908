"""The page about the configuration names every option and key that there is, and no others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_forksafe import cli, config

PAGE = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
#: What stands in backquotes, up to the first blank.
NAMES = set(re.findall(r"`([^`\s]+)[^`]*`", PAGE))
HEADINGS = set(re.findall(r"^### (.+)$", PAGE, re.MULTILINE))


def options(program: str) -> set[str]:
    return {option for action in cli._parser(program)._actions for option in action.option_strings}


def of_the_plugin() -> set[str]:
    command = [sys.executable, "-m", "flake8", "--isolated", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return set(re.findall(r"--(forksafe-[\w-]+)", text))


@pytest.mark.parametrize("program", ["forksafe", "forksafe-fix"])
def test_every_option_of_the_commands_is_named(program: str) -> None:
    assert options(program) <= NAMES


def test_no_option_is_named_that_the_commands_do_not_have() -> None:
    assert {name for name in NAMES if re.fullmatch(r"--?[a-z][a-z-]*", name)} - {"--"} <= options("forksafe")


def test_every_key_and_every_option_of_the_plugin_has_a_section() -> None:
    plugin = of_the_plugin()
    assert len(plugin) >= 3
    assert set(config._KEYS) | plugin | {"Choosing codes"} == HEADINGS
