# run: import
"""A script that starts and joins its thread only when it is run."""

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
    refresher = threading.Thread(target=refresh_forever)
    refresher.start()
    refresher.join()
