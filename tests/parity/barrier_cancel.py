"""A waiter that is cancelled leaves the barrier as if it had never come (B-05)."""

import asyncio

from virtual_clock import outcome, run, say


async def walker(barrier, name):
    await barrier.wait()
    say(f"{name} goes on")
    return 0


async def main():
    barrier = asyncio.Barrier(3)
    leaver = asyncio.create_task(walker(barrier, "leaver"))
    stayer = asyncio.create_task(walker(barrier, "stayer"))
    await asyncio.sleep(0.1)
    say(f"{barrier.n_waiting} waiting")
    leaver.cancel()
    say(f"leaver: {await outcome(leaver)}")
    say(f"{barrier.n_waiting} waiting, broken {barrier.broken}")
    await asyncio.sleep(0.1)
    say(f"not in time: {await outcome(asyncio.wait_for(barrier.wait(), 0.5))}")
    say(f"{barrier.n_waiting} waiting, broken {barrier.broken}")
    others = [asyncio.create_task(walker(barrier, "third")), asyncio.create_task(walker(barrier, "fourth"))]
    await asyncio.gather(*others)
    await stayer


run(main())
