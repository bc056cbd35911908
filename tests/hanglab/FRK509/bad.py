# hazard: orphan
"""At the timeout only the shell is killed."""

from __future__ import annotations

import subprocess


def main() -> None:
    try:
        subprocess.run("sleep 30", shell=True, timeout=1)
    except subprocess.TimeoutExpired:
        print("main: the backup took too long")
    print("main: done")


main()
