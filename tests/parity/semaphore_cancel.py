"""A waiter that was given a unit and is cancelled before it runs gives it back, and the next one gets it (SM-02)."""

import asyncio

from virtual_clock import outcome, run, say


async def worker(semaphore, name):
    async with semaphore:
        say(f"{name} is in")
        await asyncio.sleep(0.1)
    return 0


async def main():
    semaphore = asyncio.Semaphore(0)

    say("woken, then cancelled")
    tasks = [asyncio.create_task(worker(semaphore, name)) for name in ("a", "b")]
    await asyncio.sleep(0.1)
    semaphore.release()
    tasks[0].cancel()
    say(f"a: {await outcome(tasks[0])}, b: {await outcome(tasks[1])}, locked {semaphore.locked()}")
    await semaphore.acquire()

    say("the only waiter is woken and cancelled: the unit stays")
    task = asyncio.create_task(worker(semaphore, "c"))
    await asyncio.sleep(0.1)
    semaphore.release()
    task.cancel()
    say(f"c: {await outcome(task)}, locked {semaphore.locked()}")
    await semaphore.acquire()

    say("cancelled in the queue")
    tasks = [asyncio.create_task(worker(semaphore, name)) for name in ("d", "e", "f")]
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    await asyncio.sleep(0.1)
    semaphore.release()
    for task in tasks:
        say(f"worker: {await outcome(task)}")

    say("not in time")
    await semaphore.acquire()
    say(f"wait_for: {await outcome(asyncio.wait_for(semaphore.acquire(), 0.5))}, locked {semaphore.locked()}")
    semaphore.release()
    say(f"locked {semaphore.locked()}")


run(main())
