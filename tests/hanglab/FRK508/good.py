"""Waiting for a child leaves no zombie either."""

from __future__ import annotations

import subprocess


def main() -> None:
    deploy = subprocess.run(["sh", "-c", "echo told: 7; exit 7"])
    print(f"seen: {deploy.returncode}")
    print("main: done")


main()
