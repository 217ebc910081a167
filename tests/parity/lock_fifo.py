"""A lock is given in the order of asking; who releases and asks again queues behind the others (L-01, L-02)."""

import asyncio

from virtual_clock import refused, run, say


async def worker(lock, name, seconds):
    await lock.acquire()
    say(f"{name} has the lock")
    await asyncio.sleep(seconds)
    lock.release()
    say(f"{name} has released it")


async def scoped(lock):
    async with lock:
        say("scoped has the lock")
    say(f"scoped has left its scope, locked {lock.locked()}")


async def main():
    lock = asyncio.Lock()
    say(f"release of a free lock: {refused(lock.release)}")
    await lock.acquire()
    say(f"main has the lock, locked {lock.locked()}")
    tasks = [asyncio.create_task(worker(lock, f"worker {number}", 0.1)) for number in range(3)]
    await asyncio.sleep(0.1)
    lock.release()
    await lock.acquire()
    say("main has it again, behind the others")
    lock.release()
    for task in tasks:
        await task

    await lock.acquire()
    task = asyncio.create_task(scoped(lock))
    await asyncio.sleep(0.1)
    say("any task may release: a callback does")
    asyncio.get_running_loop().call_later(0.1, lock.release)
    await task


run(main())
