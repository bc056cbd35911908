"""Run the programs that the guide diagnoses, and write what its commands print into docs/my-process-hangs.md.

Each recording is a block of that page behind a comment `<!-- recorded: CASE/STEP -->`; the cases and steps stand in
`tests/hanglab/diagnosis.py`. A step whose tool this machine lacks leaves its block as it is, with a note.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from hanglab.diagnosis import CASES, record  # noqa: E402 - on the path above

PAGE = ROOT / "docs" / "my-process-hangs.md"

#: Where the programs run: the outputs name it, and no path of the one who records them.
FOLDER = Path("/tmp/demo")

#: The block of one recording on the page.
BLOCK = re.compile(r"<!-- recorded: (?P<key>\S+) -->\n```console\n(?P<text>.*?)```\n", re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    """Return the recordings on the page by their keys."""
    return {match["key"]: match["text"] for match in BLOCK.finditer(page)}


def with_recordings(page: str, recordings: Mapping[str, str]) -> str:
    """Return the page with `recordings` put into their blocks."""

    def replaced(match: re.Match[str]) -> str:
        key = match["key"]
        return f"<!-- recorded: {key} -->\n```console\n{recordings.get(key, match['text'])}```\n"

    return BLOCK.sub(replaced, page)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"what to record: {', '.join(CASES)} (default: all)")
    names = parser.parse_args().cases or list(CASES)
    if unknown := set(names) - CASES.keys():
        parser.error(f"there is no case {unknown.pop()!r}")
    texts: dict[str, str] = {}
    FOLDER.mkdir()
    try:
        for name in names:
            for recording in record(name, FOLDER / name):
                print(f"{recording.key}: {recording.missing or 'recorded'}")
                if recording.missing is None:
                    texts[recording.key] = recording.text
    finally:
        shutil.rmtree(FOLDER)
    PAGE.write_text(with_recordings(PAGE.read_text(encoding="utf-8"), texts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
