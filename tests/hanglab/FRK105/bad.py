# hazard: hang
"""The child reads its input to the end, and the end never comes."""

from __future__ import annotations

import subprocess


def count_lines(text: bytes) -> int:
    counter = subprocess.Popen(["wc", "-l"], stdin=subprocess.PIPE)
    counter.stdin.write(text)
    counter.stdin.flush()
    return counter.wait()


print(f"main: status {count_lines(bytes(10) + b'end')}")
print("main: done")
