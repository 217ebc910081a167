"""Who comes while a barrier drains waits for the next round (B-02)."""

import asyncio

from virtual_clock import run, say


async def walker(barrier, name):
    place = await barrier.wait()
    say(f"{name} goes on, place {place}")


async def main():
    barrier = asyncio.Barrier(2)
    tasks = [asyncio.create_task(walker(barrier, name)) for name in ("a", "b", "c", "d", "e")]
    await asyncio.sleep(1)
    say(f"{barrier.n_waiting} waiting")
    tasks.append(asyncio.create_task(walker(barrier, "f")))
    for task in tasks:
        await task
    say(f"{barrier.n_waiting} waiting")


run(main())
