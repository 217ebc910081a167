"""A group in a group: an inner error goes up through both, a cancel from outside goes down (C-16, C-18)."""

import asyncio

from virtual_clock import Failure, names_of, outcome, run, say


async def works(name, seconds, code):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        say(f"{name} is cancelled")
        raise
    say(f"{name} ends")
    if code:
        raise Failure(code)


async def inner(code):
    async with asyncio.TaskGroup() as group:
        group.create_task(works("inner worker", 0.3, code))
        await asyncio.sleep(0.1)
        say("the inner body ends")
    say("the inner group is left")


async def outer(code):
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(inner(code))
            group.create_task(works("outer worker", 0.5, 0))
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")
        return 1
    say("the outer group is left")
    return 0


async def main():
    say(f"without an error: {await outcome(outer(0))}")
    say(f"with an error: {await outcome(outer(5))}")
    task = asyncio.create_task(outer(0))
    await asyncio.sleep(0.2)
    task.cancel()
    say(f"with a cancel: {await outcome(task)}")

    say("both in one task")
    try:
        async with asyncio.TaskGroup() as one:
            one.create_task(works("worker of the first", 1, 0))
            async with asyncio.TaskGroup() as two:
                two.create_task(works("worker of the second", 0.1, 6))
            say("never printed")
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")


run(main())
