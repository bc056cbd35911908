"""A second plugin beside the real one, with rules of its own: one always on, one opt-in.

`tests/test_plugin.py` loads it through `[flake8:local-plugins]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.plugin import Plugin
from flake8_forksafe.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def _report(code: str) -> Iterator[Finding]:
    yield Finding(code, Span(1, 0, 1, 0), "the file was looked at")


ALWAYS_ON = Rule("FRK998", "always-on", (("subprocess",),), frozenset(), lambda _: _report("FRK998"))
OPT_IN = Rule("FRK999", "opt-in", (("subprocess",),), frozenset(), lambda _: _report("FRK999"), opt_in=True)


class OptInPlugin(Plugin):
    """The real plugin with the two rules above instead of the registered ones."""

    @classmethod
    def add_options(cls, _manager: Any) -> None:
        """Declare nothing: the real plugin has declared the options."""

    @classmethod
    def load_rules(cls) -> Mapping[str, Rule]:
        return {rule.code: rule for rule in (ALWAYS_ON, OPT_IN)}
