"""Run other tools over the hazards and near misses of every rule and print the tables.

    python benchmarks/comparison/run.py [--write] [DEST]

DEST keeps the virtual environments and the modules (default: .cache/comparison in the project). README.md in this
folder says what is counted.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import generated
from benchmarks.comparison import cases, page, rules, score
from benchmarks.comparison.tools import RULES_REPOSITORY, Report, Tool, ToolError, tools
from benchmarks.pinned import default_cache
from flake8_forksafe import registry


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, help="where everything is kept")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/comparison.md")
    parser.add_argument(
        "--semgrep-rules",
        default=RULES_REPOSITORY,
        metavar="REPOSITORY",
        help="where git gets semgrep's rules: a URL or a clone (%(default)s)",
    )
    return parser.parse_args(arguments)


def check(tool: Tool, folder: Path) -> list[Report]:
    """Return the reports of `tool` over the modules in `folder`, each checked for its own target version."""
    reports = []
    for target in sorted(folder.iterdir()):
        found = tool.check(target, target.name)
        reports += [report._replace(path=f"{target.name}/{report.path}") for report in found]
    return reports


def compare(options: argparse.Namespace) -> dict[str, str]:
    """Run every tool and return the generated parts of the page by their names; raise `ToolError`."""
    destination = (options.dest or default_cache("comparison")).resolve()
    known = rules.read()
    modules = [*cases.fixture_modules(), *cases.neighbour_modules(known.neighbours)]
    folder = destination / "modules"
    shutil.rmtree(folder, ignore_errors=True)
    cases.write(modules, folder)
    results, versions = {}, {}
    for tool in tools(destination, semgrep_rules=options.semgrep_rules):
        reports = check(tool, folder)
        print(f"{tool.name} {tool.version()}: {len(reports)} reports in {len(modules)} modules", file=sys.stderr)
        results[tool.name] = score.Result(modules, tool.name, known, score.by_path(reports))
        versions[tool.name] = (tool.version(), tool.options)
    names = {code: rule.name for code, rule in registry.rules().items()}
    return {
        "tools": page.tool_table(versions, date=f"{datetime.now(UTC):%Y-%m-%d}", python=platform.python_version()),
        "hazards": page.hazard_table(names, modules, results),
        "about": page.about_table(known),
        "aside": page.aside_table(known, modules, results),
        "neighbours": page.neighbour_table(known, results),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line; 1 when there are no figures."""
    options = _parse_arguments(arguments)
    try:
        parts = compare(options)
        if options.write:
            generated.write(page.PAGE, parts)
        print(*parts.values(), sep="\n\n")
    except (ToolError, generated.PageError, OSError) as problem:
        print(f"comparison: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
