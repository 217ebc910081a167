"""A cancel from outside goes to all tasks of the group, waits for them, and goes on (C-18)."""

import asyncio

from virtual_clock import name_of, outcome, run, say


async def cleans_up(name, seconds):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        say(f"{name} has cleaned up")
        raise


async def parent(body_seconds):
    me = asyncio.current_task()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cleans_up("slow", 0.3))
            group.create_task(cleans_up("quick", 0.1))
            await asyncio.sleep(body_seconds)
            say("the body ends")
    except BaseException as error:
        say(f"the group gives {name_of(error)}, requests {me.cancelling()}")
        raise


async def main():
    say("while the body waits")
    task = asyncio.create_task(parent(10))
    await asyncio.sleep(1)
    task.cancel()
    say(f"parent: {await outcome(task)}")

    say("while the exit waits")
    task = asyncio.create_task(parent(0.1))
    await asyncio.sleep(1)
    task.cancel()
    say(f"parent: {await outcome(task)}")

    say("three times")
    task = asyncio.create_task(parent(10))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.1)
    task.cancel()
    say(f"parent: {await outcome(task)}, requests {task.cancelling()}")


run(main())
