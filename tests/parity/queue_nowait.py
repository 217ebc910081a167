"""put_nowait() and get_nowait() never wait: they say QueueFull and QueueEmpty (Q-02)."""

import asyncio

from virtual_clock import name_of, run, say


def try_put(queue, item):
    try:
        queue.put_nowait(item)
        say(f"put {item}, {queue.qsize()} in the queue")
    except asyncio.QueueFull as error:
        say(f"put {item}: {name_of(error)}")


def try_get(queue):
    try:
        say(f"got {queue.get_nowait()}, {queue.qsize()} in the queue")
    except asyncio.QueueEmpty as error:
        say(f"get: {name_of(error)}")


async def waits(queue):
    say(f"a waiting getter gets {await queue.get()}")


async def main():
    queue = asyncio.Queue(2)
    try_get(queue)
    for item in (1, 2, 3):
        try_put(queue, item)
    for _ in range(3):
        try_get(queue)
    getter = asyncio.create_task(waits(queue))
    await asyncio.sleep(0.1)
    queue.put_nowait(4)
    say("4 is put")
    await getter
    try_get(queue)


run(main())
