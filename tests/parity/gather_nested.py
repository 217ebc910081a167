"""A gather() in a gather(): results, an error and a cancel go through both (C-02, C-03, C-05)."""

import asyncio

from virtual_clock import Failure, outcome, run, say


async def works(number, seconds):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        say(f"works {number} is cancelled")
        raise
    if number < 0:
        say(f"works {number} fails")
        raise Failure(-number)
    return number


async def sum_of(*numbers):
    return sum(await asyncio.gather(*[works(number, number / 10) for number in numbers]))


async def main():
    results = await asyncio.gather(sum_of(1, 2), sum_of(3, 4))
    say(f"sums: {results[0]} {results[1]}")

    task = asyncio.create_task(sum_of(5, -1, 6))
    say(f"with an error: {await outcome(task)}")
    await asyncio.sleep(1)

    outer = asyncio.gather(sum_of(7, 8), sum_of(9, 10))
    asyncio.get_running_loop().call_later(0.1, outer.cancel)
    say(f"cancelled: {await outcome(outer)}")
    await asyncio.sleep(1)


run(main())
