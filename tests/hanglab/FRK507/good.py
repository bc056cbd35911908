"""A child that is waited for."""

from __future__ import annotations

import subprocess
import time


def main() -> None:
    mailer = subprocess.Popen(["true"])
    mailer.wait()
    time.sleep(1.5)  # stands for the life of the program
    print(f"main: sent by {mailer.args}")
    print("main: done")


main()
