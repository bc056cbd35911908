"""communicate() writes and reads at the same time."""

from __future__ import annotations

import subprocess


def filtered(data: bytes) -> bytes:
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = cat.communicate(data)
    return output


print(f"main: {len(filtered(bytes(1_000_000)))} bytes")
print("main: done")
