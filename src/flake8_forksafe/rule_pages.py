"""The rules as the commands print them: `--explain` and `--list-rules`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flake8_forksafe import codes, diagram, registry
from flake8_forksafe.reporting.colour import Colour
from flake8_forksafe.rule import SEQUENCE, RulePage

#: What stands in a drawing for a wait that never ends: the words, and the bar.
STUCK = re.compile(r"WAITS FOR EVER|#")


def explain(code: str, *, colours: bool) -> Iterator[str]:
    """Yield the page of the rule with this code, in capitals or not, or with this name.

    Raises:
        ValueError: there is no such rule; the message names the nearest one.
    """
    rules = registry.rules()
    if code.upper() == codes.TOO_DEEP:
        yield Colour.PATH.paint(codes.TOO_DEEP, colours=colours)
        yield ""
        yield codes.FRK000_PAGE
        return
    rule = rules.get(code.upper()) or next((rule for rule in rules.values() if rule.name == code), None)
    if rule is None:
        raise ValueError(f"no rule has the code {code!r}; {codes.nearest(code)}")
    opt_in = " (opt-in: runs only when selected by its full code)" if rule.opt_in else ""
    yield Colour.PATH.paint(f"{rule.code} {rule.name}", colours=colours) + opt_in
    yield ""
    before, source, after = re.split(SEQUENCE, registry.page(rule), flags=re.DOTALL)
    yield from _text(before, colours=colours)
    yield "```text"
    for line in diagram.text_lines(diagram.parse(source)):
        yield STUCK.sub(lambda match: Colour.CODE.paint(match[0], colours=colours), line)
    yield "```"
    yield from _text(after.removeprefix("\n"), colours=colours)


def _text(text: str, *, colours: bool) -> Iterator[str]:
    for line in text.splitlines():
        yield re.sub(r"^## .*", lambda match: Colour.HEADING.paint(match[0], colours=colours), line)


def listing(*, colours: bool) -> Iterator[str]:
    """Yield a line for each rule: code, name and what it is about."""
    rules = registry.rules().values()
    width = max(len(rule.name) for rule in rules)
    for rule in rules:
        summary = RulePage.parse(registry.page(rule)).summary
        opt_in = " (opt-in)" if rule.opt_in else ""
        yield f"{Colour.PATH.paint(rule.code, colours=colours)}  {rule.name:<{width}}  {summary}{opt_in}"
