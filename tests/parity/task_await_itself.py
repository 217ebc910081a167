"""A task that awaits itself is told so (T-03)."""

import asyncio

from virtual_clock import run, say


async def awaits_itself():
    try:
        await asyncio.current_task()
        say("never printed")
    except RuntimeError:
        say("awaiting itself: refused")
    await asyncio.sleep(0.1)
    return 3


async def main():
    say(f"the task goes on and gives {await asyncio.create_task(awaits_itself())}")


run(main())
