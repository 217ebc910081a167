"""A user's program: a ticker that does not drift. Work of any length moves no later tick; missed ticks are counted."""

import asyncio

from virtual_clock import run, say


class Ticker:
    def __init__(self, interval):
        self.interval = interval
        self.start = asyncio.get_running_loop().time()
        self.next = 1

    async def tick(self):
        """Wait for the next tick; give how many were missed before it."""
        now = asyncio.get_running_loop().time()
        due = int((now - self.start) / self.interval + 0.000001) + 1
        missed = max(0, due - self.next)
        self.next = max(self.next, due)
        await asyncio.sleep(self.start + self.next * self.interval - now)
        self.next += 1
        return missed


async def works(seconds):
    await asyncio.sleep(seconds)


async def drifts(count):
    for number in range(count):
        await asyncio.sleep(0.5)
        say(f"a drifting tick {number}")
        await works(0.03)


async def keeps_time(durations):
    ticker = Ticker(0.5)
    for number, seconds in enumerate(durations):
        missed = await ticker.tick()
        say(f"tick {number}, missed {missed}, works for {seconds:.2f}")
        await works(seconds)


async def main():
    await drifts(4)
    start = asyncio.get_running_loop().time()
    await keeps_time([0.03, 0.4, 0.03, 1.2, 0, 0.45, 0.7, 0.03])
    say(f"eight ticks took {asyncio.get_running_loop().time() - start:.3f}")


run(main())
