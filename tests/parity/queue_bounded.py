"""Producers wait while a bounded queue is full, consumers while it is empty; both in order (Q-01, Q-02)."""

import asyncio

from virtual_clock import run, say


async def producer(queue, name, first, count, pause):
    for item in range(first, first + count):
        await queue.put(item)
        say(f"{name} put {item}")
        await asyncio.sleep(pause)
    return count


async def consumer(queue, name, count, pause):
    total = 0
    for _ in range(count):
        item = await queue.get()
        say(f"{name} got {item}")
        total += item
        await asyncio.sleep(pause)
    return total


async def main():
    say("a quick producer, a slow consumer")
    queue = asyncio.Queue(2)
    making = asyncio.create_task(producer(queue, "producer", 0, 6, 0.05))
    await asyncio.sleep(0.3)
    say(f"{queue.qsize()} in the queue, maxsize {queue.maxsize}, full {queue.full()}, empty {queue.empty()}")
    say(f"total {await consumer(queue, 'consumer', 6, 0.2)}, produced {await making}")
    say(f"full {queue.full()}, empty {queue.empty()}")

    say("a slow producer, three quick consumers")
    queue = asyncio.Queue()
    takers = [asyncio.create_task(consumer(queue, name, 2, 0.01)) for name in ("a", "b", "c")]
    await asyncio.sleep(0.1)
    await producer(queue, "producer", 10, 6, 0.1)
    totals = await asyncio.gather(*takers)
    say(f"totals {totals[0]} {totals[1]} {totals[2]}")


run(main())
