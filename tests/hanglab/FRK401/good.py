"""One thread waits on an event that the end of the work sets."""

from __future__ import annotations

import threading


class Heartbeat:
    def __init__(self) -> None:
        self.first_beat = threading.Event()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while True:
            self.first_beat.set()
            if self.stopped.wait(0.1):
                return


def main() -> None:
    heartbeat = Heartbeat()
    heartbeat.thread.start()
    heartbeat.first_beat.wait()
    heartbeat.stopped.set()
    heartbeat.thread.join()
    print("main: done", flush=True)


main()
