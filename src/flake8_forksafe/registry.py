"""Finds the rule files; there is no list of rules to keep."""

from __future__ import annotations

import importlib
import os
import re
from functools import cache
from typing import TYPE_CHECKING

from flake8_forksafe import rules as rules_package

if TYPE_CHECKING:
    from flake8_forksafe.rule import Rule

_RULE_MODULE = re.compile(r"frk(?P<digits>\d{3})_(?P<name>[a-z0-9]+(?:_[a-z0-9]+)*)")


class RegistryError(Exception):
    """A rule file breaks the conventions that the rest of the project relies on."""


def codes() -> list[str]:
    """Return the codes of all rules in order; the names of the files say them, so that none is imported."""
    return sorted(name.partition("_")[0].upper() for name in _module_names())


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by its code, in the order of the codes.

    Raises:
        RegistryError: a file in `flake8_forksafe.rules` is no proper rule file; the message names the file.
    """
    found = (_load(name) for name in sorted(_module_names()))
    by_code: dict[str, Rule] = {}
    for rule in found:
        if rule.code in by_code:
            raise RegistryError(f"two rule files declare {rule.code}")
        by_code[rule.code] = rule
    return by_code


def page(rule: Rule) -> str:
    """Return the page of `rule`, as the docstring of its file has it; see `flake8_forksafe.rule.RulePage`."""
    import ast

    with open(os.path.join(_folder(), f"{_module_name(rule)}.py"), encoding="utf-8") as file:
        return ast.get_docstring(ast.parse(file.read())) or ""


def _folder() -> str:
    (folder,) = rules_package.__path__
    return folder


def _module_names() -> list[str]:
    # pkgutil would do, but imports inspect, ast and more at a fifth of a start
    stems = (name.removesuffix(".py") for name in os.listdir(_folder()) if name.endswith(".py"))
    return [stem for stem in stems if _RULE_MODULE.fullmatch(stem)]


def _module_name(rule: Rule) -> str:
    return f"{rule.code.lower()}_{rule.name.replace('-', '_')}"


def _load(module_name: str) -> Rule:
    from flake8_forksafe.rule import Rule

    module = importlib.import_module(f"{rules_package.__name__}.{module_name}")
    module.__doc__ = None  # pages are for people: `page` reads them anew, and no run keeps them in memory
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        raise RegistryError(f"{module_name}.py binds no Rule to the name RULE")
    if module_name != _module_name(rule):
        raise RegistryError(f"{module_name}.py declares {rule.code} {rule.name}; file, code and name must agree")
    if not all(group and all(group) for group in rule.triggers):
        raise RegistryError(f"{module_name}.py has an empty group or word in its triggers")
    return rule
