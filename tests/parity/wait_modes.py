"""wait() returns after the first, after the first error or after all; it never raises and never cancels (C-06)."""

import asyncio

from virtual_clock import Failure, run, say


async def works(number):
    await asyncio.sleep(number / 10)
    if number == 2:
        raise Failure(5)
    return number


def describe(title, tasks, done, pending):
    states = ["done" if task in done else "pending" for task in tasks]
    say(f"{title}: {', '.join(states)}; {len(done)} done, {len(pending)} pending")


async def scene(title, return_when):
    tasks = [asyncio.create_task(works(number)) for number in (3, 1, 4, 2)]
    done, pending = await asyncio.wait(tasks, return_when=return_when)
    describe(title, tasks, done, pending)
    done, pending = await asyncio.wait(tasks)
    describe("and then all", tasks, done, pending)
    say(f"error of the last: {tasks[3].exception().code}")


async def main():
    await scene("FIRST_COMPLETED", asyncio.FIRST_COMPLETED)
    await scene("FIRST_EXCEPTION", asyncio.FIRST_EXCEPTION)
    await scene("ALL_COMPLETED", asyncio.ALL_COMPLETED)


run(main())
