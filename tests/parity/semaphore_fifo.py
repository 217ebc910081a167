"""A semaphore lets so many in at once, in the order of asking, and nobody overtakes (SM-01)."""

import asyncio

from virtual_clock import run, say


async def worker(semaphore, name, seconds):
    async with semaphore:
        say(f"{name} is in")
        await asyncio.sleep(seconds)
        say(f"{name} leaves")


async def barges(semaphore):
    say(f"barger asks, locked {semaphore.locked()}")
    await semaphore.acquire()
    say("barger is in")
    semaphore.release()


async def main():
    semaphore = asyncio.Semaphore(2)
    durations = (0.5, 0.2, 0.2, 0.4)
    tasks = [asyncio.create_task(worker(semaphore, f"worker {n}", seconds)) for n, seconds in enumerate(durations)]
    await asyncio.sleep(0.3)
    say(f"two are in, locked {semaphore.locked()}")
    for task in tasks:
        await task
    say(f"all have left, locked {semaphore.locked()}")

    say("several units are released at once")
    semaphore = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(worker(semaphore, f"waiter {number}", 0.1)) for number in range(4)]
    await asyncio.sleep(0.1)
    for _ in range(5):
        semaphore.release()
    await barges(semaphore)
    for task in tasks:
        await task

    say("a semaphore may grow")
    semaphore.release()
    say(f"locked {semaphore.locked()}")


run(main())
