"""gather() runs all at once and gives the results in argument order, duplicates repeated (C-02)."""

import asyncio

from virtual_clock import run, say


async def works(number, seconds):
    say(f"works {number} starts")
    await asyncio.sleep(seconds)
    say(f"works {number} ends")
    return number * number


async def main():
    results = await asyncio.gather(works(1, 0.3), works(2, 0.1), works(3, 0.2))
    say(f"results: {results[0]} {results[1]} {results[2]}")

    say(f"gather of nothing: {len(await asyncio.gather())} results")

    task = asyncio.create_task(works(4, 0.1))
    future = asyncio.get_running_loop().create_future()
    future.set_result(5)
    results = await asyncio.gather(task, future, task)
    say(f"a task, a done future and the task again: {results[0]} {results[1]} {results[2]}")

    results = await asyncio.gather(task, future)
    say(f"only done ones: {results[0]} {results[1]}")


run(main())
