"""wait_for() with no time at all: a done future gives its result, a coroutine is never started (C-08)."""
# requires: 3.12

import asyncio

from virtual_clock import outcome, run, say


async def never_starts():
    say("never printed")
    return 0


async def swallows():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0.5)
    return 3


async def main():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    done.set_result(5)
    say(f"a done future: {await outcome(asyncio.wait_for(done, 0))}")
    pending = loop.create_future()
    say(f"a pending future: {await outcome(asyncio.wait_for(pending, 0))}, cancelled: {pending.cancelled()}")
    say(f"a coroutine: {await outcome(asyncio.wait_for(never_starts(), 0))}")
    say(f"a coroutine and less than no time: {await outcome(asyncio.wait_for(never_starts(), -1))}")
    task = asyncio.create_task(swallows())
    await asyncio.sleep(0.1)
    say(f"a task that swallows the cancel: {await outcome(asyncio.wait_for(task, 0))}")


run(main())
