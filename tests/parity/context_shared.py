"""A task may be given a context: then it runs in it, not in a copy (X-02)."""

import asyncio
import contextvars

from virtual_clock import run, say

colour = contextvars.ContextVar("colour", default=0)


async def paints(name):
    colour.set(colour.get() + 1)
    say(f"{name} sets {colour.get()}")
    await asyncio.sleep(0.1)
    say(f"{name} sees {colour.get()}")


async def main():
    colour.set(10)
    shared = contextvars.copy_context()
    colour.set(20)
    first = asyncio.create_task(paints("first"), context=shared)
    second = asyncio.create_task(paints("second"), context=shared)
    alone = asyncio.create_task(paints("alone"))
    await first
    await second
    await alone
    say(f"main sees {colour.get()}, the shared context holds {shared[colour]}")


run(main())
