# hazard: hang
"""At the end of a bytes pipe readline() returns b"", which is never equal to ""."""

from __future__ import annotations

import subprocess


def total() -> int:
    lines = 0
    lister = subprocess.Popen(["printf", "one\\ntwo\\n"], stdout=subprocess.PIPE)
    for line in iter(lister.stdout.readline, ""):
        lines += line.count(b"\n")
    lister.wait()
    return lines


print(f"main: {total()} lines")
print("main: done")
