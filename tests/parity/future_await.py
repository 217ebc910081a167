"""Tasks that await one future resume in order, one turn after its result; a done one makes nobody wait (F-07, T-04)."""

import asyncio

from virtual_clock import outcome, run, say


async def waits(name, future):
    say(f"{name} waits")
    say(f"{name} gets {await outcome(future)}")
    say(f"{name} gets {await outcome(future)} again, at once")
    return 0


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    tasks = [asyncio.create_task(waits(name, future)) for name in ("a", "b", "c")]
    await asyncio.sleep(0.1)
    loop.call_soon(say, "a callback before the result")
    future.set_result(7)
    loop.call_soon(say, "a callback after the result")
    say("main has set the result")
    for task in tasks:
        await task

    say("one of several waiters is cancelled: so is the future, and so are the others")
    future = loop.create_future()
    tasks = [asyncio.create_task(waits(name, future)) for name in ("d", "e")]
    await asyncio.sleep(0.1)
    tasks[1].cancel()
    for task in tasks:
        say(f"task: {await outcome(task)}, requests {task.cancelling()}")
    say(f"future cancelled: {future.cancelled()}")


run(main())
