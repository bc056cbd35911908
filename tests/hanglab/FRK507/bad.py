# hazard: zombie
"""A child that nobody ever waits for."""

from __future__ import annotations

import subprocess
import time


def main() -> None:
    mailer = subprocess.Popen(["true"])
    time.sleep(1.5)  # stands for the life of the program
    print(f"main: sent by {mailer.args}")
    print("main: done")


main()
