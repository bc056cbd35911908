"""A child is killed and reaped."""

from __future__ import annotations

import subprocess
import threading
import time


class Player:
    def __init__(self) -> None:
        self.process = None

    def play(self, seconds: float) -> None:
        self.process = subprocess.Popen(["sleep", "30"])
        threading.Timer(seconds, self.stop).start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    player = Player()
    player.play(0.1)
    time.sleep(1.5)  # stands for the life of the program
    print(f"main: played {player.process.args}")
    print("main: done")


main()
