"""A user's program: a cache that loads each key once, however many ask at the same time, and forgets it after 5 s."""

import asyncio

from virtual_clock import Failure, outcome, run, say


class Cache:
    def __init__(self, lifetime):
        self.lifetime = lifetime
        self.values = {}
        self.flights = {}
        self.loads = 0

    async def load(self, key):
        self.loads += 1
        say(f"loading {key}")
        await asyncio.sleep(0.5)
        if key == 13:
            raise Failure(key)
        self.values[key] = (key * key, asyncio.get_running_loop().time() + self.lifetime)
        return key * key

    async def get(self, key):
        value, expires = self.values.get(key, (0, 0))
        if asyncio.get_running_loop().time() < expires:
            return value
        flight = self.flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self.load(key))
            flight.add_done_callback(lambda _: self.flights.pop(key))
            self.flights[key] = flight
        # Whoever is cancelled while it waits must not take the load away from the others.
        return await asyncio.shield(flight)


async def asks(cache, name, delay, key):
    await asyncio.sleep(delay)
    result = await outcome(cache.get(key))
    say(f"{name} gets {result} for {key}")
    return 0


async def main():
    cache = Cache(5)
    tasks = [
        asyncio.create_task(asks(cache, "a", 0, 3)),
        asyncio.create_task(asks(cache, "b", 0.1, 3)),
        asyncio.create_task(asks(cache, "c", 0.2, 4)),
        asyncio.create_task(asks(cache, "impatient", 0.3, 3)),
        asyncio.create_task(asks(cache, "d", 1, 3)),
        asyncio.create_task(asks(cache, "e", 0.15, 13)),
        asyncio.create_task(asks(cache, "f", 0.25, 13)),
        asyncio.create_task(asks(cache, "g", 2, 13)),
        asyncio.create_task(asks(cache, "h", 7, 3)),
    ]
    await asyncio.sleep(0.4)
    tasks[3].cancel()
    await asyncio.gather(*tasks)
    say(f"{cache.loads} loads")


run(main())
