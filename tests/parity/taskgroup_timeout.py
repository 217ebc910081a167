"""A timeout around a task group: the expiry cancels the tasks and comes out as ETIMEDOUT (C-13, C-18)."""

import asyncio

from virtual_clock import name_of, names_of, Failure, run, say


async def works(name, seconds, cleanup, code):
    try:
        await asyncio.sleep(seconds)
        say(f"{name} ends")
    except asyncio.CancelledError:
        await asyncio.sleep(cleanup)
        say(f"{name} has cleaned up")
        if code:
            raise Failure(code)
        raise


async def scene(title, code):
    say(title)
    try:
        async with asyncio.timeout(1) as limit:
            async with asyncio.TaskGroup() as group:
                group.create_task(works("quick", 0.5, 0, 0))
                group.create_task(works("slow", 10, 0.2, code))
                group.create_task(works("slower", 10, 0.4, 0))
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}, expired {limit.expired()}")
    except TimeoutError as error:
        say(f"{name_of(error)}, expired {limit.expired()}")
    say(f"requests {asyncio.current_task().cancelling()}")
    await asyncio.sleep(0.1)


async def main():
    await scene("without an error", 0)
    await scene("with an error in a clean-up", 5)


run(main())
