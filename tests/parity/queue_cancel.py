"""A cancelled getter never takes an item with it, a cancelled putter never leaves one behind (Q-03)."""
# requires: 3.12

import asyncio

from virtual_clock import outcome, run, say


async def getter(queue, name):
    item = await queue.get()
    say(f"{name} got {item}")
    return item


async def putter(queue, item):
    await queue.put(item)
    say(f"put {item}")
    return item


async def main():
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()

    say("a getter is woken, and cancelled before it runs: the next one gets the item")
    tasks = [asyncio.create_task(getter(queue, name)) for name in ("a", "b")]
    await asyncio.sleep(0.1)
    queue.put_nowait(1)
    tasks[0].cancel()
    say(f"a: {await outcome(tasks[0])}, b: {await outcome(tasks[1])}")

    say("the only getter: the item stays")
    task = asyncio.create_task(getter(queue, "c"))
    await asyncio.sleep(0.1)
    queue.put_nowait(2)
    task.cancel()
    say(f"c: {await outcome(task)}, {queue.qsize()} in the queue")
    say(f"main got {queue.get_nowait()}")

    say("an item that comes at the time of the expiry stays")
    loop.call_later(0.5, queue.put_nowait, 3)
    say(f"wait_for: {await outcome(asyncio.wait_for(queue.get(), 0.5))}, {queue.qsize()} in the queue")
    say(f"main got {queue.get_nowait()}")

    say("a getter is cancelled in the line")
    tasks = [asyncio.create_task(getter(queue, name)) for name in ("d", "e", "f")]
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    queue.put_nowait(4)
    queue.put_nowait(5)
    say(f"d: {await outcome(tasks[0])}, e: {await outcome(tasks[1])}, f: {await outcome(tasks[2])}")

    say("putters: one is cancelled in the line, one when it has been woken")
    queue = asyncio.Queue(1)
    queue.put_nowait(6)
    tasks = [asyncio.create_task(putter(queue, item)) for item in (7, 8, 9)]
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    await asyncio.sleep(0.1)
    say(f"main got {queue.get_nowait()}")
    tasks[0].cancel()
    for task in tasks:
        say(f"putter: {await outcome(task)}")
    say(f"main got {queue.get_nowait()}, {queue.qsize()} in the queue")


run(main())
