"""A timeout scope works in the clean-up of a task that is being cancelled (C-13)."""
# requires: 3.12

import asyncio

from virtual_clock import outcome, run, say


async def worker():
    me = asyncio.current_task()
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say(f"cancelled, requests {me.cancelling()}")
        try:
            async with asyncio.timeout(0.5):
                await asyncio.sleep(2)
        except TimeoutError:
            say(f"the clean-up took too long, requests {me.cancelling()}")
        raise


async def main():
    task = asyncio.create_task(worker())
    await asyncio.sleep(1)
    task.cancel()
    say(f"outcome: {await outcome(task)}")


run(main())
