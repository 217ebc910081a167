"""A lock that is not had in time is not had at all (L-03, C-07)."""

import asyncio

from virtual_clock import outcome, run, say


async def tries(lock, name, limit):
    result = await outcome(asyncio.wait_for(lock.acquire(), limit))
    if result == "ETIMEDOUT":
        say(f"{name} gives up")
        return 0
    say(f"{name} has the lock")
    await asyncio.sleep(0.2)
    lock.release()
    return 1


async def main():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = [
        asyncio.create_task(tries(lock, "patient", 10)),
        asyncio.create_task(tries(lock, "hasty", 0.1)),
        asyncio.create_task(tries(lock, "unlucky", 0.6)),
        asyncio.create_task(tries(lock, "last", 10)),
    ]
    await asyncio.sleep(0.5)
    say("main releases the lock")
    lock.release()
    results = await asyncio.gather(*tasks)
    say(f"{sum(results)} of {len(results)} had it, locked {lock.locked()}")


run(main())
