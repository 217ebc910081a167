"""Long sleeps end on time, also beyond the day for which a loop polls at most (EV-14)."""

import asyncio

from virtual_clock import run, say

DAY = 86400


async def sleeper(name, seconds):
    await asyncio.sleep(seconds)
    say(f"{name} wakes")


async def main():
    await asyncio.gather(
        sleeper("thirty days and a millisecond", 30 * DAY + 0.001),
        sleeper("thirty days", 30 * DAY),
        sleeper("a day", DAY),
        sleeper("a day and a second", DAY + 1),
        sleeper("an hour", 3600),
    )
    say("main ends")


run(main())
