"""Fetch the labelled files, run flake8 with the plugin over them, print the table.

    python benchmarks/accuracy/run.py [--show] [--only FRK1,FRK2] [--all-codes] [DEST]

DEST keeps the downloads (default: .cache/accuracy in the project). README.md in this
folder says how to read the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.accuracy.fetch import LABELS, fetch
from benchmarks.accuracy.labels import read_labels
from benchmarks.accuracy.score import (
    Criteria,
    code_prefixes,
    judge,
    lint,
    locate,
    mistakes,
    table,
)
from benchmarks.pinned import ArchiveError, default_cache

# Nobody labelled these in the files: 108, 109 and 509 are newer than the labels, and
# 507 is opt-in (its labels are all "may").
UNLABELLED = frozenset({"FRK108", "FRK109", "FRK507", "FRK509"})


class BenchmarkError(Exception):
    """The benchmark cannot give figures; the message is for people."""


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", nargs="?", type=Path, help="where downloads are kept")
    parser.add_argument("--show", action="store_true", help="list every mistake")
    parser.add_argument("--only", default="", help="comma-separated code prefixes")
    parser.add_argument("--all-codes", action="store_true", help="count the unlabelled codes too")
    return parser.parse_args(arguments)


def _flake8(*, all_codes: bool) -> tuple[str, ...]:
    # An opt-in code comes on only where it is named in full.
    select = ",".join(("FRK", *sorted(UNLABELLED))) if all_codes else "FRK"
    return (sys.executable, "-m", "flake8", "--isolated", f"--select={select}")


def _require_plugin() -> None:
    for name in ("flake8", "flake8-forksafe"):
        try:
            distribution(name)
        except PackageNotFoundError:
            raise BenchmarkError(
                f"{name} is not installed for {sys.executable}: run 'python -m pip install .' in the project first"
            ) from None


def _fetch(destination: Path) -> None:
    fetched = fetch(destination)
    if fetched.problems:
        raise BenchmarkError("\n".join(fetched.problems))


def measure(options: argparse.Namespace) -> None:
    """Print the mistakes if asked for, then the table.

    Raises `BenchmarkError` or `ArchiveError` when there are no figures to print.
    """
    _require_plugin()
    destination = (options.dest or default_cache("accuracy")).resolve()
    _fetch(destination)
    files, missing = locate(read_labels(LABELS), destination)
    run = lint(_flake8(all_codes=options.all_codes), files)
    if run.crash is not None:
        raise BenchmarkError(f"flake8 did not finish:\n{run.crash}")
    judgements = tuple(judge(files, run, Criteria(code_prefixes(options.only))))
    aside = frozenset[str]() if options.all_codes else UNLABELLED
    if options.show:
        print(*mistakes(judgements, aside=aside), "", sep="\n")
    print(*table(judgements, aside=aside), sep="\n")
    print(f"files scored {len(files)}, missing {missing}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line; 1 when there are no figures."""
    try:
        measure(_parse_arguments(arguments))
    except (BenchmarkError, ArchiveError, OSError) as problem:
        print(f"accuracy: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
