"""A task cancelled before its first step runs nothing of its body (T-06)."""

import asyncio

from virtual_clock import outcome, run, say


async def body():
    say("never printed")
    try:
        await asyncio.sleep(1)
    finally:
        say("never printed")


async def main():
    task = asyncio.create_task(body())
    say(f"cancel: {task.cancel()}, done {task.done()}, cancelled {task.cancelled()}, requests {task.cancelling()}")
    say(f"outcome: {await outcome(task)}")
    say(f"done {task.done()}, cancelled {task.cancelled()}")
    say(f"cancel again: {task.cancel()}, requests {task.cancelling()}")


run(main())
