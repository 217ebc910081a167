"""When a child fails, gather() gives its error at once; the siblings go on, and a late cancel does nothing (C-03)."""

import asyncio

from virtual_clock import Failure, outcome, outcome_of, run, say


async def works(number, seconds, answer):
    await asyncio.sleep(seconds)
    say(f"works {number} ends")
    if answer < 0:
        raise Failure(-answer)
    return answer


async def main():
    tasks = [
        asyncio.create_task(works(0, 0.3, 10)),
        asyncio.create_task(works(1, 0.1, -5)),
        asyncio.create_task(works(2, 0.2, -6)),
        asyncio.create_task(works(3, 0.4, 13)),
    ]
    group = asyncio.gather(*tasks)
    say(f"gather: {await outcome(group)}")
    say(f"done: {group.done()}, cancelled: {group.cancelled()}")
    say(f"cancel of the finished gather: {group.cancel()}")
    await asyncio.sleep(1)
    say(f"children: {outcome_of(tasks[0])}, {outcome_of(tasks[1])}, {outcome_of(tasks[2])}, {outcome_of(tasks[3])}")


run(main())
