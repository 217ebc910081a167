"""A user's program: five philosophers, five forks. Forks are taken in one order, so that nobody starves."""

import asyncio

from virtual_clock import run, say

COUNT = 5
MEALS = 2


class Philosopher:
    def __init__(self, number, forks):
        left, right = number, (number + 1) % COUNT
        self.number = number
        self.first = forks[min(left, right)]
        self.second = forks[max(left, right)]
        self.thinking = 0.1 + 0.03 * number
        self.eating = 0.2 + 0.07 * number

    async def live(self):
        loop = asyncio.get_running_loop()
        waited = 0
        for meal in range(MEALS):
            await asyncio.sleep(self.thinking)
            hungry = loop.time()
            async with self.first:
                async with self.second:
                    waited += loop.time() - hungry
                    say(f"philosopher {self.number} eats, meal {meal}")
                    await asyncio.sleep(self.eating)
            say(f"philosopher {self.number} thinks")
        say(f"philosopher {self.number} leaves, and has waited {waited:.3f}")


async def main():
    forks = [asyncio.Lock() for _ in range(COUNT)]
    philosophers = [Philosopher(number, forks) for number in range(COUNT)]
    await asyncio.gather(*[philosopher.live() for philosopher in philosophers])
    say(f"forks on the table: {sum(not fork.locked() for fork in forks)}")


run(main())
