"""Sleepers wake in the order of their deadlines, equal deadlines in the order of falling asleep (C-01, D-01)."""

import asyncio

from virtual_clock import run, say


async def sleeper(name, seconds):
    await asyncio.sleep(seconds)
    say(f"{name} wakes")


async def main():
    naps = [("a", 0.3), ("b", 0.1), ("c", 0.2), ("d", 0.1), ("e", 3600), ("f", 0.3), ("g", 0.000001), ("h", 0.1)]
    tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in naps]
    for task in tasks:
        await task
    say("sleeping twice for 0.25")
    await asyncio.sleep(0.25)
    await asyncio.sleep(0.25)
    say("main ends")


run(main())
