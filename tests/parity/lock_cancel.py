"""A cancelled waiter leaves the queue of a lock; if the lock was on its way to it, the next one gets it (L-03)."""

import asyncio

from virtual_clock import outcome, run, say


async def worker(lock, name):
    async with lock:
        say(f"{name} has the lock")
        await asyncio.sleep(0.1)
    return 0


async def main():
    lock = asyncio.Lock()

    say("a waiter in the middle of the queue is cancelled")
    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, name)) for name in ("a", "b", "c")]
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    lock.release()
    for task in tasks:
        say(f"worker: {await outcome(task)}")

    say("a waiter is woken, and cancelled before it runs")
    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, name)) for name in ("d", "e")]
    await asyncio.sleep(0.1)
    lock.release()
    tasks[0].cancel()
    for task in tasks:
        say(f"worker: {await outcome(task)}")

    say("cancelled first, released then")
    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, name)) for name in ("f", "g")]
    await asyncio.sleep(0.1)
    tasks[0].cancel()
    lock.release()
    for task in tasks:
        say(f"worker: {await outcome(task)}")

    say("the only waiter is woken and cancelled: the lock is free")
    await lock.acquire()
    task = asyncio.create_task(worker(lock, "h"))
    await asyncio.sleep(0.1)
    lock.release()
    task.cancel()
    say(f"worker: {await outcome(task)}")
    say(f"locked {lock.locked()}")


run(main())
