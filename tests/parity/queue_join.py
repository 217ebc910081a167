"""join() waits until every item is done with, not only taken (Q-04)."""

import asyncio

from virtual_clock import refused, run, say


async def worker(queue, name):
    while True:
        item = await queue.get()
        await asyncio.sleep(item / 10)
        say(f"{name} is done with {item}")
        queue.task_done()


async def joins(queue, name):
    await queue.join()
    say(f"{name} is joined")


async def main():
    queue = asyncio.Queue()
    await queue.join()
    say("an empty queue is joined at once")
    say(f"task_done without an item: {refused(queue.task_done)}")
    workers = [asyncio.create_task(worker(queue, name)) for name in ("a", "b")]
    for item in (3, 1, 4, 1, 5):
        queue.put_nowait(item)
    joiners = [asyncio.create_task(joins(queue, name)) for name in ("first", "second")]
    await queue.join()
    say("main is joined")
    await asyncio.gather(*joiners)
    say(f"task_done too often: {refused(queue.task_done)}")

    queue.put_nowait(2)
    await queue.join()
    say("joined again")
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


run(main())
