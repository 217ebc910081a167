"""The last to arrive at a barrier goes first, then the others in the order of arrival; then it fills again (B-01)."""

import asyncio

from virtual_clock import run, say


async def runner(barrier, name, pace):
    for lap in range(2):
        await asyncio.sleep(pace)
        say(f"{name} arrives, {barrier.n_waiting} waiting")
        place = await barrier.wait()
        say(f"{name} goes on, place {place}, lap {lap}")


async def main():
    barrier = asyncio.Barrier(3)
    say(f"parties {barrier.parties}, waiting {barrier.n_waiting}, broken {barrier.broken}")
    paces = (("slow", 0.3), ("quick", 0.1), ("middle", 0.2))
    tasks = [asyncio.create_task(runner(barrier, name, pace)) for name, pace in paces]
    for task in tasks:
        await task
    say(f"parties {barrier.parties}, waiting {barrier.n_waiting}, broken {barrier.broken}")

    alone = asyncio.Barrier(1)
    say(f"a barrier for one: place {await alone.wait()}, place {await alone.wait()}")


run(main())
