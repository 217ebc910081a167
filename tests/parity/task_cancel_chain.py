"""A cancel goes through a chain of tasks to the one at its end, and what that one makes of it comes back (T-06)."""

import asyncio

from virtual_clock import Failure, outcome, run, say


async def last(answer):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1)
        say(f"last is cancelled, and answers {answer}")
        if answer == 0:
            raise
        if answer < 0:
            raise Failure(-answer)
    return answer


async def middle(answer):
    task = asyncio.create_task(last(answer))
    result = await outcome(task)
    say(f"middle gets {result}, requests {asyncio.current_task().cancelling()}")
    return await task


async def first(answer):
    task = asyncio.create_task(middle(answer))
    result = await outcome(task)
    say(f"first gets {result}, requests {asyncio.current_task().cancelling()}")
    return await task


async def main():
    for answer in (0, 3, -5):
        task = asyncio.create_task(first(answer))
        await asyncio.sleep(1)
        task.cancel()
        say(f"main gets {await outcome(task)}")


run(main())
