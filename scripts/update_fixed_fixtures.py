"""Write tests/fixtures/FRKnnn/bad.fixed.py: the bad fixtures after fixing; `--check` only says what is out of date.

python scripts/update_fixed_fixtures.py [--check] [CODE ...]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from flake8_forksafe import registry

TESTS = Path(__file__).parent.parent / "tests"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; a file whose code has no fix any more is removed."""
    parser = argparse.ArgumentParser(description="Write the fixtures after fixing.")
    parser.add_argument("codes", metavar="CODE", nargs="*", help="only these codes")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is out of date")
    options = parser.parse_args(arguments)
    if unknown := set(options.codes) - set(registry.rules()):
        parser.error(f"there is no rule {', '.join(sorted(unknown))}")
    sys.path.insert(0, str(TESTS))
    fixed_cases = importlib.import_module("fixed_cases")
    stale = False
    for code in options.codes or registry.rules():
        path: Path = fixed_cases.golden(code)
        text: str | None = fixed_cases.expected_golden(code)
        if text == (path.read_text(encoding="utf-8") if path.exists() else None):
            continue
        stale = True
        done = "is out of date" if options.check else "written" if text else "removed"
        print(f"{path.relative_to(TESTS.parent)} {done}")
        if options.check:
            continue
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
