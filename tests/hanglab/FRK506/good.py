"""The timeout ends the child too."""

from __future__ import annotations

import subprocess


def main() -> None:
    backup = subprocess.Popen(["sleep", "30"])
    try:
        backup.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        print("main: the backup took too long")
        backup.kill()
        backup.wait()
    print("main: done")


main()
