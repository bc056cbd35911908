# hazard: hang
"""The forked child inherits the loop's signal handling: it swallows SIGTERM and wakes the parent's loop."""

from __future__ import annotations

import asyncio
import os
import signal
import time


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                time.sleep(1)
        finally:
            os._exit(0)
    os.kill(pid, signal.SIGTERM)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    print(f"main: the child ended by signal {os.WTERMSIG(status)}")
    print("main: done")


asyncio.run(main())
