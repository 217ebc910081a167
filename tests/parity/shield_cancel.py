"""Whoever waits behind a shield() can be cancelled; what is shielded goes on (C-15)."""

import asyncio

from virtual_clock import outcome, run, say


async def saves(number):
    await asyncio.sleep(0.5)
    say(f"saved {number}")
    return number


async def caller(task):
    result = await outcome(asyncio.shield(task))
    say(f"the caller gets {result}, requests {asyncio.current_task().cancelling()}")
    return 0


async def main():
    inner = asyncio.create_task(saves(1))
    outer = asyncio.create_task(caller(inner))
    await asyncio.sleep(0.1)
    outer.cancel()
    say(f"caller: {await outcome(outer)}; the inner task is done: {inner.done()}")
    say(f"inner: {await outcome(inner)}")

    inner = asyncio.create_task(saves(2))
    say(f"wait_for of a shield: {await outcome(asyncio.wait_for(asyncio.shield(inner), 0.2))}")
    say(f"inner: {await outcome(inner)}")

    inner = asyncio.create_task(saves(3))
    shield = asyncio.shield(inner)
    say(f"cancel of the shield itself: {shield.cancel()}, cancelled: {shield.cancelled()}")
    say(f"inner: {await outcome(inner)}")


run(main())
