# hazard: orphan
"""The timeout ends the wait and not the child."""

from __future__ import annotations

import subprocess


def main() -> None:
    backup = subprocess.Popen(["sleep", "30"])
    try:
        backup.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        print("main: the backup took too long")
    print("main: done")


main()
