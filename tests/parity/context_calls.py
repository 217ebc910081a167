"""A coroutine that is called, also by wait_for(), shares its caller's context; a task does not (X-05)."""
# requires: 3.12

import asyncio
import contextvars

from virtual_clock import run, say

colour = contextvars.ContextVar("colour", default=0)


async def paints(value):
    await asyncio.sleep(0.1)
    colour.set(value)
    say(f"paints sets {value}")


async def main():
    await paints(1)
    say(f"after a call: {colour.get()}")
    await asyncio.wait_for(paints(2), 1)
    say(f"after wait_for: {colour.get()}")
    async with asyncio.timeout(1):
        await paints(3)
    say(f"after a timeout scope: {colour.get()}")
    await asyncio.create_task(paints(4))
    say(f"after a task: {colour.get()}")
    await asyncio.gather(paints(5), paints(6))
    say(f"after gather: {colour.get()}")
    await asyncio.wait_for(asyncio.create_task(paints(7)), 1)
    say(f"after wait_for of a task: {colour.get()}")
    async with asyncio.TaskGroup() as group:
        group.create_task(paints(8))
    say(f"after a task group: {colour.get()}")


run(main())
