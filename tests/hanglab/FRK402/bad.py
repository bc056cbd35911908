# hazard: never-exits
"""The exception skips the cancel, and the timer keeps the program alive for its whole interval."""

from __future__ import annotations

import threading


def warn() -> None:
    print("main: the line is slow")


def parse(line: str) -> int:
    watchdog = threading.Timer(60, warn)
    watchdog.start()
    value = int(line)
    watchdog.cancel()
    return value


def main() -> None:
    try:
        parse("seven")
    except ValueError as error:
        print(f"main: {error}")
    print("main: done", flush=True)


main()
