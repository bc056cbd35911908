"""communicate() writes the input and closes the pipe."""

from __future__ import annotations

import subprocess


def count_lines(text: bytes) -> int:
    counter = subprocess.Popen(["wc", "-l"], stdin=subprocess.PIPE)
    counter.communicate(text)
    return counter.returncode


print(f"main: status {count_lines(bytes(10) + b'end')}")
print("main: done")
