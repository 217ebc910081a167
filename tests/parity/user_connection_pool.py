"""A user's program: a pool of connections, opened when needed, used again, given up when broken, closed at the end."""
# requires: 3.12

import asyncio

from virtual_clock import Failure, outcome, run, say


class Connection:
    def __init__(self, number):
        self.number = number
        self.uses = 0


class Pool:
    def __init__(self, size):
        self.slots = asyncio.Semaphore(size)
        self.idle = []
        self.opened = 0

    async def borrow(self):
        await self.slots.acquire()
        if self.idle:
            return self.idle.pop()
        try:
            number = self.opened
            self.opened += 1
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            self.slots.release()
            raise
        say(f"connection {number} is opened")
        return Connection(number)

    def give_back(self, connection, broken):
        if broken:
            say(f"connection {connection.number} is broken")
        else:
            self.idle.append(connection)
        self.slots.release()

    def close(self):
        while self.idle:
            connection = self.idle.pop(0)
            say(f"connection {connection.number} is closed after {connection.uses} uses")


async def query(pool, name, seconds, code):
    connection = await pool.borrow()
    broken = True
    try:
        say(f"{name} uses connection {connection.number}")
        connection.uses += 1
        await asyncio.sleep(seconds)
        if code:
            raise Failure(code)
        broken = False
        return connection.number
    finally:
        pool.give_back(connection, broken)


async def client(pool, name, delay, seconds, limit, code):
    await asyncio.sleep(delay)
    say(f"{name}: {await outcome(asyncio.wait_for(query(pool, name, seconds, code), limit))}")


async def main():
    pool = Pool(2)
    async with asyncio.TaskGroup() as group:
        group.create_task(client(pool, "one", 0, 0.5, 10, 0))
        group.create_task(client(pool, "two", 0.01, 1, 10, 5))
        group.create_task(client(pool, "three", 0.02, 0.2, 10, 0))
        group.create_task(client(pool, "hurried", 0.03, 0.2, 0.5, 0))
        group.create_task(client(pool, "four", 0.04, 0.2, 10, 0))
        group.create_task(client(pool, "too slow", 0.05, 5, 2, 0))
        group.create_task(client(pool, "five", 0.06, 0.2, 10, 0))
        group.create_task(client(pool, "six", 0.07, 0.2, 10, 0))
    say(f"{pool.opened} connections were opened")
    pool.close()


run(main())
