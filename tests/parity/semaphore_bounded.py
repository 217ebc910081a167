"""A bounded semaphore refuses a release too many (SM-03)."""

import asyncio

from virtual_clock import refused, run, say


async def worker(semaphore, name):
    async with semaphore:
        say(f"{name} is in")
        await asyncio.sleep(0.1)


async def main():
    semaphore = asyncio.BoundedSemaphore(2)
    say(f"release at the bound: {refused(semaphore.release)}")
    await semaphore.acquire()
    say(f"release below the bound: {refused(semaphore.release)}")
    say(f"and once more: {refused(semaphore.release)}")
    tasks = [asyncio.create_task(worker(semaphore, f"worker {number}")) for number in range(5)]
    for task in tasks:
        await task
    say(f"release at the end: {refused(semaphore.release)}")


run(main())
