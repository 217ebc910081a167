"""An event as a gate that opens and closes while workers pass it (E-01)."""

import asyncio

from virtual_clock import run, say


async def walker(gate, name, stride):
    for step in range(3):
        await gate.wait()
        say(f"{name} passes, step {step}")
        await asyncio.sleep(stride)
    say(f"{name} has arrived")


async def main():
    gate = asyncio.Event()
    tasks = [asyncio.create_task(walker(gate, "short", 0.1)), asyncio.create_task(walker(gate, "long", 0.35))]
    await asyncio.sleep(0.05)
    say("the gate opens")
    gate.set()
    await asyncio.sleep(0.25)
    say("the gate closes")
    gate.clear()
    await asyncio.sleep(0.5)
    say("the gate opens")
    gate.set()
    for task in tasks:
        await task


run(main())
