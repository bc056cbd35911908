"""A spawned worker imports what it needs by itself."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import threading
import time
from pathlib import Path

SLOW = "import time\ntime.sleep(0.5)\nanswer = 42\n"


def load() -> None:
    importlib.import_module("slow_settings")


def work() -> None:
    sys.path.insert(0, str(Path.cwd()))
    print("worker:", importlib.import_module("slow_settings").answer, flush=True)


def main() -> None:
    Path("slow_settings.py").write_text(SLOW, encoding="utf-8")
    sys.path.insert(0, str(Path.cwd()))
    loader = threading.Thread(target=load)
    loader.start()
    time.sleep(0.2)
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=work)
    worker.start()
    loader.join()
    worker.join()
    print("main: done")


if __name__ == "__main__":
    main()
