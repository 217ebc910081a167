"""Two conditions on one lock: a bounded buffer of the program's own (CV-01)."""

import asyncio
import collections

from virtual_clock import run, say


class Buffer:
    def __init__(self, room):
        self.lock = asyncio.Lock()
        self.not_full = asyncio.Condition(self.lock)
        self.not_empty = asyncio.Condition(self.lock)
        self.room = room
        self.items = collections.deque()

    async def put(self, item):
        async with self.lock:
            while len(self.items) == self.room:
                await self.not_full.wait()
            self.items.append(item)
            self.not_empty.notify()

    async def get(self):
        async with self.lock:
            while not self.items:
                await self.not_empty.wait()
            item = self.items.popleft()
            self.not_full.notify()
            return item


async def producer(buffer, count):
    for item in range(count):
        await buffer.put(item)
        say(f"put {item}")
        await asyncio.sleep(0.1)


async def consumer(buffer, count):
    total = 0
    for _ in range(count):
        item = await buffer.get()
        say(f"got {item}")
        total += item
        await asyncio.sleep(0.25)
    return total


async def main():
    buffer = Buffer(2)
    filling = asyncio.create_task(producer(buffer, 6))
    await asyncio.sleep(0.45)
    say(f"total {await consumer(buffer, 6)}")
    await filling


run(main())
