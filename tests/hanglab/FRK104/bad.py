# hazard: hang
"""call() waits with a pipe that nobody can ever read."""

from __future__ import annotations

import subprocess

status = subprocess.call(["head", "-c", "200000", "/dev/zero"], stdout=subprocess.PIPE)
print(f"main: status {status}")
print("main: done")
