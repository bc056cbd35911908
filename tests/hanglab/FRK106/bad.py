# hazard: hang
"""All input is written before any output is read, and both pipes fill up."""

from __future__ import annotations

import subprocess


def filtered(data: bytes) -> bytes:
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    cat.stdin.write(data)
    cat.stdin.close()
    output = cat.stdout.read()
    cat.wait()
    return output


print(f"main: {len(filtered(bytes(1_000_000)))} bytes")
print("main: done")
