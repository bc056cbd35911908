"""Whoever made the object closes it."""

from __future__ import annotations

import threading


class Cache:
    def __init__(self, lifetime: float) -> None:
        self.entries: dict[str, str] = {}
        self.timer = threading.Timer(lifetime, self.expire)

    def expire(self) -> None:
        self.entries.clear()

    def open(self) -> None:
        self.timer.start()

    def close(self) -> None:
        self.timer.cancel()


def main() -> None:
    cache = Cache(60)
    cache.open()
    try:
        cache.entries["answer"] = "42"
    finally:
        cache.close()
    print("main: done", flush=True)


main()
