# hazard: never-exits
# run: import
"""Whoever imports the module for its function gets a thread that keeps the interpreter alive."""

from __future__ import annotations

import threading
import time

rates = {"EUR": 1.0}


def convert(amount: float, currency: str) -> float:
    return amount * rates[currency]


def refresh_forever() -> None:
    while True:
        rates["EUR"] = 1.0
        time.sleep(0.1)


threading.Thread(target=refresh_forever).start()

if __name__ == "__main__":
    print(convert(2, "EUR"))
