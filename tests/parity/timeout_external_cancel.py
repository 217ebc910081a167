"""A cancel from outside stays a cancel, whatever the timeout scope does (C-13)."""

import asyncio

from virtual_clock import name_of, outcome, run, say


async def scope(limit, cleanup):
    me = asyncio.current_task()
    try:
        async with asyncio.timeout(limit) as scope_limit:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                say(f"the body is cancelled, requests {me.cancelling()}")
                await asyncio.sleep(cleanup)
                raise
    except BaseException as error:
        say(f"the scope gives {name_of(error)}, expired {scope_limit.expired()}, requests {me.cancelling()}")
        raise


async def main():
    say("long before the deadline")
    task = asyncio.create_task(scope(5, 0.1))
    await asyncio.sleep(1)
    task.cancel()
    say(f"outcome: {await outcome(task)}, requests {task.cancelling()}")

    say("the deadline passes while the body cleans up")
    task = asyncio.create_task(scope(1.2, 1))
    await asyncio.sleep(1)
    task.cancel()
    say(f"outcome: {await outcome(task)}, requests {task.cancelling()}")

    say("the cancel comes while the body cleans up after the deadline")
    task = asyncio.create_task(scope(0.8, 1))
    await asyncio.sleep(1)
    task.cancel()
    say(f"outcome: {await outcome(task)}, requests {task.cancelling()}")


run(main())
