"""The timeout ends the child too."""

from __future__ import annotations

import asyncio


async def main() -> None:
    backup = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        await asyncio.wait_for(backup.wait(), 0.2)
    except TimeoutError:
        print("main: the backup took too long")
        backup.kill()
        await backup.wait()
    print("main: done")


asyncio.run(main())
