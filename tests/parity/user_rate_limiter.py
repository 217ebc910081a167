"""A user's program: a token bucket. It holds up to 3 tokens and gets one every 0.5 s; a request takes one or waits."""

import asyncio

from virtual_clock import run, say


class Bucket:
    def __init__(self, capacity, interval):
        self.capacity = capacity
        self.interval = interval
        self.tokens = capacity
        self.turn = asyncio.Lock()
        self.refilled_at = asyncio.get_running_loop().time()

    def refill(self):
        elapsed = asyncio.get_running_loop().time() - self.refilled_at
        earned = int(elapsed / self.interval + 0.000001)
        self.refilled_at += earned * self.interval
        self.tokens = min(self.capacity, self.tokens + earned)

    async def take(self):
        # The lock keeps the order: who waits for the next token lets nobody pass.
        async with self.turn:
            self.refill()
            if self.tokens == 0:
                await asyncio.sleep(self.refilled_at + self.interval - asyncio.get_running_loop().time())
                self.refill()
            self.tokens -= 1


async def client(bucket, name, requests, pause):
    for number in range(requests):
        await bucket.take()
        say(f"{name} sends request {number}, {bucket.tokens} tokens left")
        await asyncio.sleep(pause)


async def main():
    bucket = Bucket(3, 0.5)
    async with asyncio.TaskGroup() as group:
        group.create_task(client(bucket, "greedy", 6, 0.01))
        group.create_task(client(bucket, "calm", 3, 1.03))
    say("a long pause fills the bucket")
    await asyncio.sleep(10)
    await client(bucket, "late", 4, 0)


run(main())
