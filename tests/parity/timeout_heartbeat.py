"""A timeout that every piece of progress puts off: reschedule() from another task (C-12)."""

import asyncio

from virtual_clock import run, say


async def worker(limit, pauses):
    for number, pause in enumerate(pauses):
        await asyncio.sleep(pause)
        say(f"progress {number}")
        limit.reschedule(asyncio.get_running_loop().time() + 0.3)


async def watch(pauses):
    try:
        async with asyncio.timeout(0.3) as limit:
            task = asyncio.create_task(worker(limit, pauses))
            await task
            say("the worker is done")
    except TimeoutError:
        say(f"no progress for 0.3; the worker was cancelled: {task.cancelled()}")


async def main():
    await watch([0.1, 0.2, 0.25, 0.2])
    await watch([0.1, 0.2, 0.4, 0.2])


run(main())
