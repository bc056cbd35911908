# hazard: never-exits
"""The timer holds the object, so that the __del__ that would cancel it never runs."""

from __future__ import annotations

import threading


class Cache:
    def __init__(self, lifetime: float) -> None:
        self.entries: dict[str, str] = {}
        self.timer = threading.Timer(lifetime, self.expire)
        self.timer.start()

    def expire(self) -> None:
        self.entries.clear()

    def __del__(self) -> None:
        self.timer.cancel()


def main() -> None:
    cache = Cache(60)
    cache.entries["answer"] = "42"
    del cache
    print("main: done", flush=True)


main()
