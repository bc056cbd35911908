"""Finds the rule files; there is no list of rules to keep."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from types import ModuleType

from flake8_forksafe import rules as rules_package
from flake8_forksafe.rule import Rule

_RULE_MODULE = re.compile(r"frk(?P<digits>\d{3})_(?P<name>[a-z0-9]+(?:_[a-z0-9]+)*)")


class RegistryError(Exception):
    """A rule file breaks the conventions that the rest of the project relies on."""


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


def rule_module(rule: Rule) -> ModuleType:
    """Return the module that declares `rule`; its docstring is the rule's documentation."""
    return importlib.import_module(f"{rules_package.__name__}.{rule.code.lower()}_{rule.name.replace('-', '_')}")


def _module_names() -> list[str]:
    return [
        module.name for module in pkgutil.iter_modules(rules_package.__path__) if _RULE_MODULE.fullmatch(module.name)
    ]


def _load(module_name: str) -> Rule:
    rule = getattr(importlib.import_module(f"{rules_package.__name__}.{module_name}"), "RULE", None)
    if not isinstance(rule, Rule):
        raise RegistryError(f"{module_name}.py binds no Rule to the name RULE")
    if module_name != f"{rule.code.lower()}_{rule.name.replace('-', '_')}":
        raise RegistryError(f"{module_name}.py declares {rule.code} {rule.name}; file, code and name must agree")
    if not all(group and all(group) for group in rule.triggers):
        raise RegistryError(f"{module_name}.py has an empty group or word in its triggers")
    return rule
