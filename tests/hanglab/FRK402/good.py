"""The timer is cancelled whatever happens."""

from __future__ import annotations

import threading


def warn() -> None:
    print("main: the line is slow")


def parse(line: str) -> int:
    watchdog = threading.Timer(60, warn)
    watchdog.start()
    try:
        return int(line)
    finally:
        watchdog.cancel()


def main() -> None:
    try:
        parse("seven")
    except ValueError as error:
        print(f"main: {error}")
    print("main: done", flush=True)


main()
