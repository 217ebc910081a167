"""A task starts with a copy of its creator's context, and what it changes stays its own (X-02)."""

import asyncio
import contextvars

from virtual_clock import run, say

colour = contextvars.ContextVar("colour", default=0)
size = contextvars.ContextVar("size", default=-1)


async def deeper(name):
    colour.set(colour.get() + 1)
    say(f"{name}, deeper: colour {colour.get()}")


async def worker(name, seconds):
    say(f"{name} starts: colour {colour.get()}, size {size.get()}")
    colour.set(colour.get() + 100)
    await asyncio.sleep(seconds)
    await deeper(name)
    say(f"{name} ends: colour {colour.get()}, size {size.get()}")


async def main():
    colour.set(1)
    first = asyncio.create_task(worker("first", 0.2))
    colour.set(2)
    size.set(9)
    second = asyncio.create_task(worker("second", 0.1))
    colour.set(3)
    await first
    await second
    say(f"main: colour {colour.get()}, size {size.get()}")


run(main())
