#!/usr/bin/python3
"""CPython's asyncio and uvloop.

    python.py cpython|uvloop NAME COUNT      prints nanoseconds of processor time an operation
"""

import asyncio
import concurrent.futures
import sys
import threading
import time

MANY = 1000
FIRST_RANDOM = 88172645463325252

now = time.process_time_ns  # of all threads


def randoms():
    """The same numbers as in bench.h."""
    x = FIRST_RANDOM
    while True:
        x ^= x << 13 & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 7
        x ^= x << 17 & 0xFFFFFFFFFFFFFFFF
        yield x


async def empty():
    pass


async def together(*coroutines):
    """Runs them as tasks; the nanoseconds until all have ended, once all have begun."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await asyncio.sleep(0)
    begin = now()
    await asyncio.gather(*tasks)
    return now() - begin


async def yield_among(n, count):
    async def body():
        for _ in range(rounds):
            await asyncio.sleep(0)

    rounds = count // n
    return await together(*(body() for _ in range(n))) / (rounds * n)


async def yield_2(count):
    return await yield_among(2, count)


async def yield_10000(count):
    return await yield_among(10000, count)


async def spawn_join(count):
    begin = now()
    for _ in range(count):
        await asyncio.create_task(empty())
    return (now() - begin) / count


async def lock_handoff(count):
    async def body():
        for i in range(rounds):
            async with lock:
                if i == 0:
                    await asyncio.sleep(0)

    lock = asyncio.Lock()
    rounds = count // 2
    return await together(body(), body()) / (2 * rounds)


async def lock_contended(count):
    async def body():
        for _ in range(rounds):
            async with lock:
                await asyncio.sleep(0)

    lock = asyncio.Lock()
    rounds = count // 2
    return await together(body(), body()) / (2 * rounds)


async def event_wake(count):
    async def body(mine, theirs):
        for _ in range(rounds):
            await mine.wait()
            mine.clear()
            theirs.set()

    ping, pong = asyncio.Event(), asyncio.Event()
    rounds = count // 2
    ping.set()
    return await together(body(ping, pong), body(pong, ping)) / (2 * rounds)


async def event_broadcast_1000(count):
    woken = 0

    async def listener():
        nonlocal woken
        for _ in range(rounds):
            await event.wait()
            woken += 1

    event = asyncio.Event()
    rounds = count // MANY
    tasks = [asyncio.create_task(listener()) for _ in range(MANY)]
    await asyncio.sleep(0)
    begin = now()
    for i in range(1, rounds + 1):
        event.set()
        event.clear()
        while woken < i * MANY:
            await asyncio.sleep(0)
    took = now() - begin
    await asyncio.gather(*tasks)
    return took / (rounds * MANY)


async def queue_put_get(count):
    async def body(mine, theirs):
        for _ in range(rounds):
            await theirs.put(await mine.get())

    there, back = asyncio.Queue(), asyncio.Queue()
    rounds = count // 2
    back.put_nowait(None)
    return await together(body(there, back), body(back, there)) / (2 * rounds)


async def queue_1(count):
    async def producer():
        for _ in range(count):
            await queue.put(None)

    async def consumer():
        for _ in range(count):
            await queue.get()

    queue = asyncio.Queue(1)
    return await together(producer(), consumer()) / count


async def queue_unbounded(count):
    async def producer():
        for _ in range(count // MANY):
            for _ in range(MANY):
                await queue.put(None)
            await asyncio.sleep(0)

    async def consumer():
        for _ in range(count // MANY * MANY):
            await queue.get()

    queue = asyncio.Queue()
    return await together(producer(), consumer()) / (count // MANY * MANY)


async def future_pingpong(count):
    async def body(mine):
        for _ in range(rounds):
            await places[mine]
            places[mine] = loop.create_future()
            places[1 - mine].set_result(1)

    loop = asyncio.get_running_loop()
    places = [loop.create_future(), loop.create_future()]
    rounds = count // 2
    places[0].set_result(1)
    return await together(body(0), body(1)) / (2 * rounds)


async def create_and_run():
    begin = now()
    tasks = [asyncio.create_task(empty()) for _ in range(MANY)]
    await asyncio.sleep(0)
    del tasks
    return now() - begin


async def spawn_1000(count):
    total = 0
    for _ in range(count // MANY):
        total += await create_and_run()
    return total / (count // MANY * MANY)


async def beyond_creating(count, wait_for_all):
    total = 0
    for _ in range(count // MANY):
        total -= await create_and_run()
        begin = now()
        tasks = [asyncio.create_task(empty()) for _ in range(MANY)]
        await wait_for_all(tasks)
        del tasks
        total += now() - begin
    return total / (count // MANY * MANY)


async def gather_1000(count):
    async def wait_for_all(tasks):
        await asyncio.gather(*tasks)

    return await beyond_creating(count, wait_for_all)


async def wait_1000(count):
    return await beyond_creating(count, asyncio.wait)


async def as_completed_1000(count):
    async def wait_for_all(tasks):
        for done in asyncio.as_completed(tasks):
            await done

    return await beyond_creating(count, wait_for_all)


def nothing():
    pass


async def call_soon(count):
    loop = asyncio.get_running_loop()
    begin = now()
    for _ in range(count // MANY):
        for _ in range(MANY):
            loop.call_soon(nothing)
        await asyncio.sleep(0)
    return (now() - begin) / (count // MANY * MANY)


async def cross_thread(count, at_a_time):
    called = 0

    def count_call():
        nonlocal called
        called += 1
        if called % at_a_time == 0:
            all_have_run.release()

    def caller():
        for _ in range(count // at_a_time):
            for _ in range(at_a_time):
                loop.call_soon_threadsafe(count_call)
            all_have_run.acquire()

    loop = asyncio.get_running_loop()
    all_have_run = threading.Semaphore(0)
    await asyncio.to_thread(nothing)
    begin = now()
    await asyncio.to_thread(caller)
    return (now() - begin) / called


async def cross_thread_1(count):
    return await cross_thread(count, 1)


async def cross_thread_1000(count):
    return await cross_thread(count, 1000)


async def to_thread_1(count):
    await asyncio.to_thread(nothing)
    begin = now()
    for _ in range(count):
        await asyncio.to_thread(nothing)
    return (now() - begin) / count


async def to_thread_100(count):
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        await asyncio.gather(*(loop.run_in_executor(executor, nothing) for _ in range(100)))
        begin = now()
        for _ in range(count // 100):
            await asyncio.gather(*(loop.run_in_executor(executor, nothing) for _ in range(100)))
        return (now() - begin) / (count // 100 * 100)


async def timers_arm_cancel(count):
    async def arm_and_cancel():
        handles = [loop.call_later(60 + number % 3540000 / 1000, nothing) for number in numbers]
        for handle in handles:
            handle.cancel()
        # The loop drops them in its next turn.
        await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    numbers = [number for number, _ in zip(randoms(), range(count))]
    await arm_and_cancel()
    begin = now()
    await arm_and_cancel()
    return (now() - begin) / count


async def timers_fire(count):
    fired = 0

    def fire():
        nonlocal fired
        fired += 1

    loop = asyncio.get_running_loop()
    numbers = [number for number, _ in zip(randoms(), range(count))]
    start = loop.time() + 1
    for number in numbers:
        loop.call_at(start + number % 1000000000 / 1e9, fire)
    time.sleep(max(0, start + 1 - loop.time()))
    begin = now()
    while fired < count:
        await asyncio.sleep(0)
    return (now() - begin) / count


BENCHES = (yield_2, yield_10000, spawn_join, lock_handoff, lock_contended, event_wake, event_broadcast_1000,
           queue_put_get, queue_1, queue_unbounded, future_pingpong, spawn_1000, gather_1000, wait_1000,
           as_completed_1000, call_soon, cross_thread_1, cross_thread_1000, to_thread_1, to_thread_100,
           timers_arm_cancel, timers_fire)


def main():
    which, name, count = sys.argv[1:]
    bench = {bench.__name__: bench for bench in BENCHES}[name]
    factory = None
    if which == "uvloop":
        import uvloop
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(f"{runner.run(bench(int(count))):.3f}")


if __name__ == "__main__":
    main()
