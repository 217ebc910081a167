"""A token takes a variable back to what it was, once, and only in its own context (X-02)."""

import asyncio
import contextvars

from virtual_clock import refused, run, say

colour = contextvars.ContextVar("colour")


async def tries(token):
    say(f"in another task: {refused(colour.reset, token)}")


async def main():
    say(f"never set: {colour.get(0)}")
    first = colour.set(1)
    second = colour.set(2)
    say(f"set twice: {colour.get(0)}")
    await asyncio.create_task(tries(second))
    colour.reset(second)
    say(f"reset once: {colour.get(0)}")
    say(f"the same token again: {refused(colour.reset, second)}")
    colour.reset(first)
    say(f"reset twice: {colour.get(0)}")


run(main())
