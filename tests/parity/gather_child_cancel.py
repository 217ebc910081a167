"""A child that is cancelled alone gives gather() its ECANCELED, but the gather itself is not cancelled (C-04)."""

import asyncio

from virtual_clock import outcome, outcome_of, run, say


async def works(number, seconds):
    await asyncio.sleep(seconds)
    say(f"works {number} ends")
    return number


async def main():
    tasks = [asyncio.create_task(works(number, 0.5)) for number in range(3)]
    group = asyncio.gather(*tasks)
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    say(f"gather: {await outcome(group)}")
    say(f"gather is done: {group.done()}, cancelled: {group.cancelled()}")
    say(f"main has {asyncio.current_task().cancelling()} requests")
    await asyncio.sleep(1)
    say(f"children: {outcome_of(tasks[0])}, {outcome_of(tasks[1])}, {outcome_of(tasks[2])}")


run(main())
