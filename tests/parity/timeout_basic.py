"""A timeout scope: in time, too late, without a limit, and when its body never waits (C-11)."""

import asyncio

from virtual_clock import outcome, run, say


async def scope(limit, seconds):
    async with asyncio.timeout(limit):
        await asyncio.sleep(seconds)
        say("the body ends")
    return 0


async def main():
    say(f"in time: {await outcome(scope(0.2, 0.1))}")
    say(f"too late: {await outcome(scope(0.1, 0.2))}")
    say(f"without a limit: {await outcome(scope(None, 1000))}")
    say(f"no time, and the body yields: {await outcome(scope(0, 0))}")
    say(f"less than no time, and the body sleeps: {await outcome(scope(-1, 1))}")

    async with asyncio.timeout(0) as limit:
        say("a body that never waits is not interrupted")
    say(f"expired: {limit.expired()}")
    await asyncio.sleep(0)
    say(f"main has {asyncio.current_task().cancelling()} requests")

    deadline = asyncio.get_running_loop().time() + 0.5
    try:
        async with asyncio.timeout_at(deadline) as limit:
            say(f"deadline {limit.when():.3f}, expired: {limit.expired()}")
            await asyncio.sleep(10)
    except TimeoutError:
        say(f"ETIMEDOUT, expired: {limit.expired()}")
    await asyncio.sleep(1)
    say("main ends")


run(main())
