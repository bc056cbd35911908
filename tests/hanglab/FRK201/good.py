"""Children get the descriptors they are passed, and no others."""

from __future__ import annotations

import os
import subprocess

LOCK = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)  # pass_fds hands it to the server that takes over


def main() -> None:
    helper = subprocess.Popen(["sleep", "1.5"])
    helper.wait()
    print("main: done")


main()
