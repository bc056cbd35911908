# hazard: leak
"""A descriptor meant for one child is inherited by the next one too."""

from __future__ import annotations

import os
import subprocess

LOCK = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)
os.set_inheritable(LOCK, True)  # for the server that takes over


def main() -> None:
    helper = subprocess.Popen(["sleep", "1.5"], close_fds=False)
    helper.wait()
    print("main: done")


main()
