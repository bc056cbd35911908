"""Write the skeleton of a rule: its file, its fixtures and its two programs.

python scripts/new_rule.py FRK110 pipe-opened-twice
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

RULE_FILE = '''\
"""One sentence: what is reported.

## What it does
Which call is reported, in which situation.

## What happens at run time
```sequence
title: Who waits for whom.
process parent: Parent
process child: Child
parent starts child: Popen(["command"])
parent waits for child: wait()
end: What the reader is left with.
```

1. What happens first.
2. What hangs, and under which condition.

## Example
```python
import subprocess
```

## Use instead
```python
import subprocess
```

## Fix safety
There is no automatic fix.

## When it is fine to ignore
When ...

## What it cannot see
What happens in other files.

## References
- <https://docs.python.org/3/library/subprocess.html>
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flake8_forksafe.finding import Finding
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Yield one finding per ..."""
    yield from ()


RULE = Rule("{code}", "{name}", triggers=(("subprocess",),), makers=words.POPEN, check=check)
'''

GOOD_FILE = """\
# case: say in one line why this is correct
import subprocess
"""

BAD_FILE = """\
# case: say in one line what hangs here
import subprocess  # expect: {code}
"""

BAD_PROGRAM = '''\
# hazard: hang
"""Say in one line what hangs here."""

from __future__ import annotations


def main() -> None:
    print("main: done")


main()
'''

GOOD_PROGRAM = BAD_PROGRAM.replace("# hazard: hang\n", "").replace("what hangs here", "why this one ends")

NEXT = """
What is left:
- write the cases, the rule, its docstring and the two programs: docs/writing-a-rule.md
- give it a row in the table of docs/fixing.md and a line in CHANGELOG.md
- python scripts/generate_rule_docs.py
- pytest -k {code} -m 'not slow', and in the end all tests\
"""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; nothing is overwritten."""
    parser = argparse.ArgumentParser(description="Write the skeleton of a rule and of its fixtures.")
    parser.add_argument("code", help="FRK and three digits")
    parser.add_argument("name", help="lower-case words joined by hyphens")
    options = parser.parse_args(arguments)
    code, name = options.code, options.name
    if not re.fullmatch(r"FRK\d{3}", code):
        parser.error(f"{code!r} is no code; write FRK and three digits")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        parser.error(f"{name!r} is no rule name; write lower-case words joined by hyphens")
    rules, tests = root / "src" / "flake8_forksafe" / "rules", root / "tests"
    taken = next(rules.glob(f"{code.lower()}_*.py"), None)
    if taken is not None:
        parser.error(f"{code} is taken by {taken.name}")
    files = {
        rules / f"{code.lower()}_{name.replace('-', '_')}.py": RULE_FILE,
        tests / "fixtures" / code / "good.py": GOOD_FILE,
        tests / "fixtures" / code / "bad.py": BAD_FILE,
        tests / "hanglab" / code / "good.py": GOOD_PROGRAM,
        tests / "hanglab" / code / "bad.py": BAD_PROGRAM,
    }
    for path, template in files.items():
        if path.exists():
            print(f"{path.relative_to(root)} is there already")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.replace("{code}", code).replace("{name}", name), encoding="utf-8")
        print(f"{path.relative_to(root)} written")
    print(NEXT.format(code=code))
    return 0


if __name__ == "__main__":
    sys.exit(main())
