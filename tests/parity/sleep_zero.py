"""sleep(0) goes to the tail of the ready queue: who yields takes turns (C-01); a plain call never yields (T-04)."""

import asyncio

from virtual_clock import run, say


async def step(name, number):
    say(f"{name}{number}")


async def counter(name, rounds, pause):
    for number in range(rounds):
        await step(name, number)
        await asyncio.sleep(pause)
    say(f"{name} ends")


async def main():
    tasks = [
        asyncio.create_task(counter("a", 3, 0)),
        asyncio.create_task(counter("b", 2, -1)),
        asyncio.create_task(counter("c", 4, 0)),
    ]
    for task in tasks:
        await task
    say("main ends")


run(main())
