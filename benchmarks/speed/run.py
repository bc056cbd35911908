"""Measure what the plugin adds to flake8 over a pinned corpus of real packages.

    python benchmarks/speed/run.py [--rounds N] [--packages celery,luigi] [DEST]

DEST keeps the downloads, the corpus and two virtual environments (default:
.cache/speed in the project). README.md in this folder says how to read the table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.pinned import PROJECT, ArchiveError, default_cache
from benchmarks.speed.corpus import build
from benchmarks.speed.environments import (
    InstallError,
    flake8_alone,
    flake8_with_plugin,
)
from benchmarks.speed.measure import RunError, compare
from benchmarks.speed.plugin_cost import count_added_reports, start_up, whole_check
from benchmarks.speed.table import render


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, help="where everything is kept")
    parser.add_argument("--rounds", type=_positive, default=5, help="of the corpus (%(default)s)")
    parser.add_argument("--start-up-rounds", type=_positive, default=20, help="(%(default)s)")
    parser.add_argument("--packages", default="", help="only these of pins.txt, comma-separated")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the checkout to measure")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def measure(options: argparse.Namespace) -> None:
    """Print what is measured, then the table.

    Raises `ArchiveError`, `InstallError` or `RunError` when there are no figures.
    """
    destination = (options.dest or default_cache("speed")).resolve()
    corpus = build(destination, [name for name in options.packages.split(",") if name])
    alone = flake8_alone(destination / "without")
    with_plugin = flake8_with_plugin(destination / "with", options.project.resolve())
    check = whole_check(corpus.folder, alone, with_plugin, rounds=options.rounds)
    start = start_up(destination / "start-up", alone, with_plugin, rounds=options.start_up_rounds)
    print(f"corpus   {corpus}")
    print(f"without  {alone.version()}")
    print(f"with     {with_plugin.version()}")
    print(f"the plugin adds {count_added_reports(check)} reports", flush=True)
    count_added_reports(start)
    print("", *render([*compare(check), *compare(start)]), sep="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line; 1 when there are no figures."""
    try:
        measure(_parse_arguments(arguments))
    except (ArchiveError, InstallError, RunError) as problem:
        print(f"speed: {problem}", file=sys.stderr)
        return 1
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"speed: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
