"""When a cancel from outside meets an error of a task, the error wins, and the next wait is cancelled (C-18)."""
# requires: 3.13

import asyncio

from virtual_clock import Failure, names_of, outcome, run, say


async def fails_in_cleanup(seconds, code):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        raise Failure(code)


async def parent():
    me = asyncio.current_task()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails_in_cleanup(0.3, 5))
            await asyncio.sleep(10)
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}, requests {me.cancelling()}")
    say(f"the next wait: {await outcome(asyncio.sleep(1))}")
    say(f"and the one after it: {await outcome(asyncio.sleep(1, 0))}, requests {me.cancelling()}")
    return 0


async def main():
    task = asyncio.create_task(parent())
    await asyncio.sleep(1)
    task.cancel()
    say(f"parent: {await outcome(task)}")


run(main())
