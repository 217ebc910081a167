"""reset() breaks those who wait and leaves a usable barrier; abort() breaks it for all until a reset (B-03, B-04)."""

import asyncio

from virtual_clock import outcome, run, say


async def walker(barrier, name):
    say(f"{name}: {await outcome(barrier.wait())}")


def start(barrier, names):
    return [asyncio.create_task(walker(barrier, name)) for name in names]


async def main():
    barrier = asyncio.Barrier(3)

    tasks = start(barrier, ["a", "b"])
    await asyncio.sleep(0.1)
    say(f"reset with {barrier.n_waiting} waiting")
    await barrier.reset()
    await asyncio.gather(*tasks)
    say(f"broken {barrier.broken}, waiting {barrier.n_waiting}")

    tasks = start(barrier, ["c", "d", "e"])
    await asyncio.gather(*tasks)

    tasks = start(barrier, ["f", "g"])
    await asyncio.sleep(0.1)
    say(f"abort with {barrier.n_waiting} waiting")
    await barrier.abort()
    await asyncio.gather(*tasks)
    say(f"broken {barrier.broken}, waiting {barrier.n_waiting}")
    say(f"a newcomer: {await outcome(barrier.wait())}")

    await barrier.reset()
    say(f"after a reset: broken {barrier.broken}")
    tasks = start(barrier, ["h", "i", "j"])
    await asyncio.gather(*tasks)


run(main())
