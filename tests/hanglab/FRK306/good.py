# run: import
"""Whoever wants the thread starts it."""

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


if __name__ == "__main__":
    threading.Thread(target=refresh_forever).start()
    print(convert(2, "EUR"))
