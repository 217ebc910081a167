"""A task that cancels itself goes on until it waits; if it never waits, it ends cancelled (T-07)."""

import asyncio

from virtual_clock import outcome, run, say


async def waits():
    say(f"waits cancels itself: {asyncio.current_task().cancel()}")
    say("waits goes on")
    say(f"first sleep: {await outcome(asyncio.sleep(1))}")
    say(f"second sleep: {await outcome(asyncio.sleep(1, 0))}")
    return 4


async def yields():
    asyncio.current_task().cancel()
    say(f"sleep(0): {await outcome(asyncio.sleep(0))}")
    return 5


async def never_waits():
    asyncio.current_task().cancel()
    say("never_waits returns 6")
    return 6


async def main():
    say(f"waits: {await outcome(asyncio.create_task(waits()))}")
    say(f"yields: {await outcome(asyncio.create_task(yields()))}")
    task = asyncio.create_task(never_waits())
    say(f"never_waits: {await outcome(task)}, cancelled {task.cancelled()}")


run(main())
