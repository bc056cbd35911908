"""The sentinel is of the pipe's type."""

from __future__ import annotations

import subprocess


def total() -> int:
    lines = 0
    lister = subprocess.Popen(["printf", "one\\ntwo\\n"], stdout=subprocess.PIPE)
    for line in iter(lister.stdout.readline, b""):
        lines += line.count(b"\n")
    lister.wait()
    return lines


print(f"main: {total()} lines")
print("main: done")
