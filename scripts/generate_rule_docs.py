"""Write docs/rules/ from the docstrings of the rule files; with `--check`, only say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flake8_forksafe import diagram, registry
from flake8_forksafe.rule import HEADINGS, Rule, RulePage

TARGET = Path(__file__).parent.parent / "docs" / "rules"

INDEX_HEAD = """\
# Rules

Codes are stable: a code never changes its meaning. Every rule is on by default unless it is marked *opt-in*.

| code | name | what it reports |
| --- | --- | --- |
"""

FAMILIES = {
    "1": "Pipes that deadlock",
    "2": "Descriptors that leak into children",
    "3": "Fork meets threads",
    "4": "Timers that never let go",
    "5": "Ending and reaping children",
}


def pages() -> dict[str, str]:
    """Return the text of every generated file by its name.

    Raises:
        SystemExit: a rule file's docstring lacks a heading or its diagram; the message names the file.
    """
    rules = registry.rules()
    parsed = {code: _parse(rule) for code, rule in rules.items()}
    texts = {f"{code}.md": _page(rule, parsed[code]) for code, rule in rules.items()}
    return {"index.md": _index(rules, parsed), **texts}


def _parse(rule: Rule) -> RulePage:
    try:
        page = RulePage.parse(registry.page(rule))
        diagram.parse(page.diagram())
    except ValueError as error:
        raise SystemExit(f"{rule.code}: {error}") from error
    return page


def _page(rule: Rule, page: RulePage) -> str:
    parts = [f"# {rule.code} {rule.name}", page.summary]
    if rule.opt_in:
        parts.append(f"This rule is *opt-in*: it is off until `{rule.code}` is named in `select` or `extend-select`.")
    for heading in HEADINGS:
        parts += [f"## {heading}", page.sections[heading]]
    return "\n\n".join(parts) + "\n"


def _index(rules: dict[str, Rule], parsed: dict[str, RulePage]) -> str:
    rows = [
        f"| [{code}]({code}.md) | {rule.name}{' (*opt-in*)' * rule.opt_in} | {_one_line(parsed[code].summary)} |"
        for code, rule in rules.items()
    ]
    trees = []
    for digit, caption in FAMILIES.items():
        codes = [code for code in rules if code[3] == digit]
        if codes:
            trees.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *codes, "```"]))
    return "\n\n".join([INDEX_HEAD + "\n".join(rows), *trees]).rstrip() + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def stale(target: Path) -> list[str]:
    """Return the names of the files in `target` that are missing, outdated or left over."""
    wanted = pages()
    present = {path.name: path.read_text(encoding="utf-8") for path in target.glob("*.md")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write(target: Path) -> None:
    """Bring `target` up to date, removing pages of rules that are gone."""
    wanted = pages()
    target.mkdir(parents=True, exist_ok=True)
    for path in target.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (target / name).write_text(text, encoding="utf-8")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if a page is out of date")
    if not parser.parse_args().check:
        write(TARGET)
        return 0
    outdated = stale(TARGET)
    for name in outdated:
        print(f"docs/rules/{name} is out of date; run python scripts/generate_rule_docs.py", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
