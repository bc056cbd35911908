"""The pipe is read while the child is waited for."""

from __future__ import annotations

import subprocess


def listing() -> bytes:
    lister = subprocess.Popen(["head", "-c", "200000", "/dev/zero"], stdout=subprocess.PIPE)
    output, _ = lister.communicate()
    if lister.returncode != 0:
        raise SystemExit("the listing failed")
    return output


print(f"main: {len(listing())} bytes")
print("main: done")
