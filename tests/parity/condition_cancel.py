"""A cancelled wait() takes the lock again before it gives up, and hands on a notification it cannot use (CV-02)."""
# requires: 3.13

import asyncio

from virtual_clock import outcome, run, say


async def waits(condition, name):
    async with condition:
        try:
            await condition.wait()
            say(f"{name} is notified")
        except asyncio.CancelledError:
            say(f"{name} is cancelled, locked {condition.locked()}")
            raise
    return 0


async def main():
    condition = asyncio.Condition()

    say("cancelled while another holds the lock; a second cancel changes nothing")
    task = asyncio.create_task(waits(condition, "a"))
    await asyncio.sleep(0.1)
    async with condition:
        task.cancel()
        await asyncio.sleep(0.2)
        say(f"cancelled, and done: {task.done()}")
        task.cancel()
        await asyncio.sleep(0.2)
        say(f"cancelled again, and done: {task.done()}")
    say(f"a: {await outcome(task)}, requests {task.cancelling()}")

    say("cancelled while nobody holds the lock")
    task = asyncio.create_task(waits(condition, "b"))
    await asyncio.sleep(0.1)
    task.cancel()
    say(f"b: {await outcome(task)}, locked {condition.locked()}")

    say("notified, then cancelled: the next one is notified")
    tasks = [asyncio.create_task(waits(condition, name)) for name in ("c", "d", "e")]
    await asyncio.sleep(0.1)
    async with condition:
        condition.notify()
        await asyncio.sleep(0.1)
        tasks[0].cancel()
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.1)
    say(f"c: {await outcome(tasks[0])}, d: {await outcome(tasks[1])}, e is done: {tasks[2].done()}")
    async with condition:
        condition.notify()
    say(f"e: {await outcome(tasks[2])}")


run(main())
