"""The deadline of a timeout scope can be moved while the scope is open, and only then (C-12)."""
# requires: 3.12

import asyncio

from virtual_clock import refused, run, say


async def main():
    loop = asyncio.get_running_loop()

    limit = asyncio.timeout(1)
    say(f"before it is entered: {refused(limit.reschedule, loop.time() + 1)}")
    async with limit:
        limit.reschedule(loop.time() + 2)
        await asyncio.sleep(1.5)
        say(f"later: deadline {limit.when():.3f}, still running")
    say(f"after it is left: {refused(limit.reschedule, loop.time() + 1)}")

    start = loop.time()
    try:
        async with asyncio.timeout(10) as limit:
            limit.reschedule(loop.time() + 0.5)
            await asyncio.sleep(5)
    except TimeoutError:
        say(f"sooner: ETIMEDOUT after {loop.time() - start:.3f}")

    async with asyncio.timeout(0.5) as limit:
        limit.reschedule(None)
        await asyncio.sleep(100)
        say("never: still running")

    try:
        async with asyncio.timeout(None) as limit:
            limit.reschedule(loop.time())
            await asyncio.sleep(1)
    except TimeoutError:
        say("now: ETIMEDOUT")

    try:
        async with asyncio.timeout(0.5) as limit:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                say(f"while it expires: {refused(limit.reschedule, loop.time() + 1)}")
                raise
    except TimeoutError:
        say("ETIMEDOUT all the same")


run(main())
