"""An event wakes all that wait for it, also when it is cleared at once (E-01)."""

import asyncio

from virtual_clock import outcome, run, say


async def waits(event, name):
    await event.wait()
    say(f"{name} is through, set {event.is_set()}")
    return 0


def start(event, names):
    return [asyncio.create_task(waits(event, name)) for name in names]


async def main():
    event = asyncio.Event()
    tasks = start(event, ["a", "b", "c"])
    await asyncio.sleep(0.1)
    event.set()
    event.set()
    say(f"main has set it, set {event.is_set()}")
    for task in tasks:
        await task

    await waits(event, "main")
    event.clear()
    say(f"cleared, set {event.is_set()}")

    tasks = start(event, ["d", "e"])
    await asyncio.sleep(0.1)
    event.set()
    event.clear()
    say("set and cleared in one step")
    for task in tasks:
        await task

    tasks = start(event, ["f", "g"])
    await asyncio.sleep(0.1)
    tasks[0].cancel()
    say(f"f: {await outcome(tasks[0])}")
    event.set()
    say(f"g: {await outcome(tasks[1])}")


run(main())
