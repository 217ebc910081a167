"""An immediate shutdown drops the items; join() still waits for those that were taken before (Q-05)."""
# requires: 3.13

import asyncio

from virtual_clock import outcome, run, say


async def worker(queue):
    item = await queue.get()
    say(f"the worker has taken {item}")
    await asyncio.sleep(0.5)
    queue.task_done()
    say(f"the worker is done with {item}")
    say(f"get: {await outcome(queue.get())}")


async def joins(queue):
    await queue.join()
    say("joined")


async def main():
    queue = asyncio.Queue()
    for item in (1, 2, 3):
        queue.put_nowait(item)
    working = asyncio.create_task(worker(queue))
    joining = asyncio.create_task(joins(queue))
    await asyncio.sleep(0.2)
    queue.shutdown(immediate=True)
    say(f"shut down, {queue.qsize()} in the queue")
    await working
    await joining

    say("nothing was taken: joined at once")
    queue = asyncio.Queue()
    queue.put_nowait(4)
    joining = asyncio.create_task(joins(queue))
    await asyncio.sleep(0.1)
    queue.shutdown(immediate=True)
    await joining


run(main())
