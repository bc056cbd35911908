# hazard: orphan
# python: <3.12
"""The timeout ends the wait and not the child.

From Python 3.12 on the end of the loop kills what it still knows; a service whose loop runs on has the child for good.
"""

from __future__ import annotations

import asyncio


async def main() -> None:
    backup = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        await asyncio.wait_for(backup.wait(), 0.2)
    except TimeoutError:
        print("main: the backup took too long")
    print("main: done")


asyncio.run(main())
