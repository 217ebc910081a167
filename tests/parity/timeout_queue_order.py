"""A result and an expiry in one turn: what was queued first wins (C-07, D-11)."""
# requires: 3.12

import asyncio

from virtual_clock import outcome, outcome_of, run, say


class Box:
    limit = None


async def waits(future, box):
    async with asyncio.timeout(10) as box.limit:
        return await future


async def main():
    loop = asyncio.get_running_loop()
    box = Box()

    future = loop.create_future()
    task = asyncio.create_task(waits(future, box))
    await asyncio.sleep(0.1)
    future.set_result(1)
    box.limit.reschedule(loop.time())
    say(f"the result first: {await outcome(task)}; the future holds {outcome_of(future)}")

    future = loop.create_future()
    task = asyncio.create_task(waits(future, box))
    await asyncio.sleep(0.1)
    box.limit.reschedule(loop.time())
    future.set_result(2)
    say(f"the expiry first: {await outcome(task)}; the future holds {outcome_of(future)}")


run(main())
