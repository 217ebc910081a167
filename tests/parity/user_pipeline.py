"""A user's program: a pipeline of stages with bounded queues between them. It ends by an end mark, or by a cancel."""

import asyncio

from virtual_clock import outcome, run, say

END = -1


async def source(output, count):
    for item in range(1, count + 1):
        await output.put(item)
    await output.put(END)


async def square(number, tasks, input, output):
    try:
        while True:
            item = await input.get()
            if item == END:
                break
            await asyncio.sleep(0.1 * number)
            await output.put(item * item)
        # Who finds the end mark leaves it for the others; the last one sends it on.
        tasks["squares"] -= 1
        await (input if tasks["squares"] else output).put(END)
        say(f"square {number} ends")
    except asyncio.CancelledError:
        await asyncio.sleep(0.01 * number)
        say(f"square {number} is cancelled, and has tidied up")
        raise


async def sink(input, total):
    while True:
        item = await input.get()
        if item == END:
            break
        total["sum"] += item
        total["items"] += 1
        say(f"sink receives {item}")
        await asyncio.sleep(0.03)
    say("sink ends")


async def pipeline(count, total):
    first = asyncio.Queue(2)
    second = asyncio.Queue(2)
    tasks = {"squares": 2}
    async with asyncio.TaskGroup() as group:
        group.create_task(source(first, count))
        # They do not pause in step, so that they never ask for an item at the same time.
        group.create_task(square(2, tasks, first, second))
        group.create_task(square(3.7, tasks, first, second))
        group.create_task(sink(second, total))


async def main():
    total = {"sum": 0, "items": 0}
    await pipeline(6, total)
    say(f"sum {total['sum']} of {total['items']} items")

    total = {"sum": 0, "items": 0}
    say(f"with a limit of 1 s: {await outcome(asyncio.wait_for(pipeline(1000, total), 1))}")
    say(f"sum {total['sum']} of {total['items']} items")


run(main())
