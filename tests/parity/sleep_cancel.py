"""A cancelled sleep ends at once, and its timer with it (C-01)."""

import asyncio

from virtual_clock import outcome, run, say


async def sleeper(seconds):
    await asyncio.sleep(seconds)
    say("never printed")
    return 0


async def main():
    tasks = [asyncio.create_task(sleeper(100 + number)) for number in range(3)]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    for task in tasks:
        say(f"sleeper: {await outcome(task)}")
    # Nothing of the hundred seconds is left over.
    await asyncio.sleep(0.5)
    say("main ends")


run(main())
