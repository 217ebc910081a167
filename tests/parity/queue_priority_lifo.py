"""A priority queue gives the smallest first, a LIFO queue the newest; both may be bounded (Q-06, Q-07)."""

import asyncio

from virtual_clock import run, say


async def fill(queue, items):
    for item in items:
        await queue.put(item)
    say("all items are put")


async def drain(name, queue, count):
    for _ in range(count):
        item = await queue.get()
        say(f"{name} gives {item}")
        queue.task_done()
        await asyncio.sleep(0.1)


async def main():
    items = [5, 1, 4, 2, 6, 3]
    for name, queue in (("priority", asyncio.PriorityQueue()), ("lifo", asyncio.LifoQueue())):
        await fill(queue, items)
        await drain(name, queue, len(items))
        await queue.join()
        say(f"{name} is joined")

    say("bounded to three")
    for name, queue in (("priority", asyncio.PriorityQueue(3)), ("lifo", asyncio.LifoQueue(3))):
        filling = asyncio.create_task(fill(queue, items))
        await asyncio.sleep(0.1)
        await drain(name, queue, len(items))
        await filling

    say("a waiting getter gets the first that comes, not the smallest")
    queue = asyncio.PriorityQueue()
    getter = asyncio.create_task(drain("priority", queue, 2))
    await asyncio.sleep(0.1)
    await queue.put(9)
    await asyncio.sleep(0.1)
    await queue.put(8)
    await getter


run(main())
