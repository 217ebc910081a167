"""A cancelled gather() cancels every child that is not done, and is cancelled whatever they make of it (C-05)."""

import asyncio

from virtual_clock import outcome, outcome_of, run, say


async def cleans_up(number, seconds):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        say(f"child {number} has cleaned up")
        raise


async def swallows(number, seconds):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        pass
    await asyncio.sleep(seconds)
    say(f"child {number} returns all the same")
    return number


async def quick(number):
    await asyncio.sleep(0.1)
    return number


async def gathers(tasks, return_exceptions):
    return await asyncio.gather(*tasks, return_exceptions=return_exceptions)


async def scene(title, tasks, return_exceptions):
    say(title)
    task = asyncio.create_task(gathers(tasks, return_exceptions))
    await asyncio.sleep(1)
    say(f"cancel: {task.cancel()}, done: {task.done()}")
    say(f"gather: {await outcome(task)}")
    await asyncio.sleep(1)
    say(f"children: {outcome_of(tasks[0])}, {outcome_of(tasks[1])}, {outcome_of(tasks[2])}")


async def main():
    create = asyncio.create_task
    await scene("the first child that ends cancelled ends the gather",
                [create(cleans_up(0, 0.3)), create(quick(1)), create(cleans_up(2, 0.1))], False)
    await scene("with return_exceptions it waits for all",
                [create(cleans_up(3, 0.3)), create(quick(4)), create(cleans_up(5, 0.1))], True)
    await scene("children that swallow the cancel do not save the gather",
                [create(swallows(6, 0.3)), create(quick(7)), create(swallows(8, 0.1))], False)
    await scene("nor with return_exceptions",
                [create(swallows(9, 0.3)), create(quick(10)), create(swallows(11, 0.1))], True)


run(main())
