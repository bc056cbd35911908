# hazard: hang
"""A child with more output than the pipe holds, waited for before anything is read."""

from __future__ import annotations

import subprocess


def listing() -> bytes:
    lister = subprocess.Popen(["head", "-c", "200000", "/dev/zero"], stdout=subprocess.PIPE)
    if lister.wait() != 0:
        raise SystemExit("the listing failed")
    return lister.stdout.read()


print(f"main: {len(listing())} bytes")
print("main: done")
