"""A body that answers its expiry with an error or with success keeps that answer (C-13)."""

import asyncio

from virtual_clock import Failure, outcome, run, say


async def fails():
    async with asyncio.timeout(0.1):
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            raise Failure(5)


async def swallows():
    async with asyncio.timeout(0.1) as limit:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass
    say(f"swallows: expired {limit.expired()}, requests {asyncio.current_task().cancelling()}")
    await asyncio.sleep(0.1)
    return 3


async def fails_early():
    async with asyncio.timeout(0.1):
        raise Failure(6)


async def main():
    say(f"fails: {await outcome(fails())}")
    say(f"swallows: {await outcome(swallows())}")
    say(f"fails_early: {await outcome(fails_early())}")
    await asyncio.sleep(1)
    say(f"main has {asyncio.current_task().cancelling()} requests")


run(main())
