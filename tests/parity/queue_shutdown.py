"""A queue that is shut down takes nothing more, and gives what it has to the last item (Q-05)."""
# requires: 3.13

import asyncio

from virtual_clock import outcome, run, say


async def consumer(queue, name):
    while True:
        try:
            item = await queue.get()
        except asyncio.QueueShutDown:
            say(f"{name} is told of the end")
            return 0
        say(f"{name} got {item}")
        await asyncio.sleep(0.1)
        queue.task_done()


async def producer(queue, item):
    say(f"put {item}: {await outcome(queue.put(item))}")


async def main():
    say("getters wait")
    queue = asyncio.Queue()
    consumers = [asyncio.create_task(consumer(queue, name)) for name in ("a", "b")]
    await asyncio.sleep(0.1)
    queue.shutdown()
    queue.shutdown()
    await asyncio.gather(*consumers)
    say(f"put: {await outcome(queue.put(1))}, get: {await outcome(queue.get())}")
    try:
        queue.put_nowait(1)
    except asyncio.QueueShutDown:
        say("put_nowait: QueueShutDown")
    try:
        queue.get_nowait()
    except asyncio.QueueShutDown:
        say("get_nowait: QueueShutDown")

    say("items and a putter wait")
    queue = asyncio.Queue(3)
    for item in (1, 2, 3):
        queue.put_nowait(item)
    putter = asyncio.create_task(producer(queue, 4))
    await asyncio.sleep(0.1)
    queue.shutdown()
    await putter
    consumers = [asyncio.create_task(consumer(queue, name)) for name in ("c", "d")]
    await queue.join()
    say("joined")
    await asyncio.gather(*consumers)


run(main())
