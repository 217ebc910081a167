"""A lock that main takes, a plain callback releases, and two coroutines share."""

import asyncio


def release(lock):
    print("callback releasing lock")
    lock.release()


async def coro1(lock):
    print("coro1 waiting for the lock")
    async with lock:
        print("coro1 acquired lock")
    print("coro1 released lock")


async def coro2(lock):
    print("coro2 waiting for the lock")
    await lock.acquire()
    try:
        print("coro2 acquired lock")
    finally:
        print("coro2 released lock")
        lock.release()


async def main():
    lock = asyncio.Lock()
    print("acquiring the lock before starting coroutines")
    await lock.acquire()
    print(f"lock acquired: {lock.locked()}")
    asyncio.get_running_loop().call_later(0.1, release, lock)
    print("waiting for coroutines")
    await asyncio.wait([asyncio.create_task(coro1(lock)), asyncio.create_task(coro2(lock))])


asyncio.run(main())
