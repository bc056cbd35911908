"""A new program starts with the default handling of signals."""

from __future__ import annotations

import asyncio
import signal


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    child = await asyncio.create_subprocess_exec("sleep", "30")
    child.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), 10)
    except TimeoutError:
        child.kill()
        await child.wait()
    print(f"main: the child ended by signal {-child.returncode}")
    print("main: done")


asyncio.run(main())
