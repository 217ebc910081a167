"""A task may swallow its cancellation: then it has a result, and the request stays counted (T-08)."""

import asyncio

from virtual_clock import outcome, run, say


async def swallows():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say("swallows catches the cancellation")
    await asyncio.sleep(0.5)
    say(f"swallows has slept again, requests {asyncio.current_task().cancelling()}")
    return 8


async def main():
    task = asyncio.create_task(swallows())
    await asyncio.sleep(1)
    say(f"cancel: {task.cancel()}")
    say(f"outcome: {await outcome(task)}")
    say(f"cancelled {task.cancelled()}, requests {task.cancelling()}")


run(main())
