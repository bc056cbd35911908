"""Download the pinned archives with pip and extract just the labelled files.

    python benchmarks/accuracy/fetch.py DEST [--labels labels.jsonl] [--pins pins.txt]

Files go to DEST/<package>/<path inside the archive>; archives stay in DEST/.archives.
Every archive and every file is checked against its sha256. Exit status 1 if anything
differs. Wheels are taken with --platform any (pure ones, Python 3.11 tags); sdists are
downloaded, never installed (pip runs the sdist's own metadata step, as it always does).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.accuracy.labels import LabelledFile, read_labels
from benchmarks.pinned import ArchiveError, obtain, read_member, read_pins, sha256

HERE = Path(__file__).resolve().parent
LABELS = HERE / "labels.jsonl"
PINS = HERE / "pins.txt"


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a fetch went: the extracted files, and one line for every problem."""

    files: tuple[Path, ...]
    problems: tuple[str, ...]


def fetch(destination: Path, *, labels: Path = LABELS, pins: Path = PINS) -> Fetched:
    """Put every labelled file under `destination`; never stop at the first problem."""
    results = tuple(_fetch_all(destination, read_labels(labels), pins))
    return Fetched(
        files=tuple(result for result in results if isinstance(result, Path)),
        problems=tuple(result for result in results if isinstance(result, str)),
    )


def _fetch_all(destination: Path, labelled: Iterable[LabelledFile], pins: Path) -> Iterator[Path | str]:
    wanted: dict[str, list[LabelledFile]] = defaultdict(list)
    for file in labelled:
        wanted[file.package].append(file)
    pinned = {pin.package: pin for pin in read_pins(pins)}
    for package, pin in pinned.items():
        try:
            archive = obtain(pin, destination / ".archives")
        except ArchiveError as problem:
            yield str(problem)
            continue
        for file in wanted[package]:
            yield _extract(file, archive, destination)
    for package in wanted.keys() - pinned.keys():
        yield f"NO PIN FOR {package}"


def _extract(file: LabelledFile, archive: Path, destination: Path) -> Path | str:
    try:
        data = read_member(archive, file.path)
    except ArchiveError as problem:
        return str(problem)
    if sha256(data) != file.sha256:
        return f"FILE DIFFERS {file.package} {file.path}"
    target = destination / file.package / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path)
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--pins", type=Path, default=PINS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch from the command line; 1 if anything is missing or differs."""
    options = _parse_arguments(arguments)
    try:
        fetched = fetch(options.dest, labels=options.labels, pins=options.pins)
    except (ArchiveError, OSError) as problem:
        sys.exit(f"fetch: {problem}")
    for line in fetched.problems:
        print(line, file=sys.stderr)
    print(f"{len(fetched.files)} files extracted, {len(fetched.problems)} problems")
    return 1 if fetched.problems else 0


if __name__ == "__main__":
    sys.exit(main())
