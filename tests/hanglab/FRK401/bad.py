# hazard: never-exits
# python: !=3.12.0,!=3.12.1
"""A timer that starts its successor is a thread that never ends.

Python 3.12.0 and 3.12.1 started no thread once the main thread had ended (gh-113964).
"""

from __future__ import annotations

import threading


class Heartbeat:
    def __init__(self) -> None:
        self.first_beat = threading.Event()

    def beat(self) -> None:
        self.first_beat.set()
        timer = threading.Timer(0.1, self.beat)
        timer.start()


def main() -> None:
    heartbeat = Heartbeat()
    heartbeat.beat()
    heartbeat.first_beat.wait()
    print("main: done", flush=True)


main()
