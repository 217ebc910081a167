"""cancelling() counts requests, uncancel() takes them back, and at 0 an undelivered one is dropped (T-09)."""
# requires: 3.13

import asyncio

from virtual_clock import outcome, run, say


async def counts():
    me = asyncio.current_task()
    say(f"uncancel without a request: {me.uncancel()}")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say(f"caught, requests {me.cancelling()}")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say(f"caught again, requests {me.cancelling()}")
    say(f"uncancel: {me.uncancel()}")
    say(f"uncancel: {me.uncancel()}")
    say(f"uncancel: {me.uncancel()}")
    await asyncio.sleep(0.5)
    return 1


async def changes_its_mind():
    me = asyncio.current_task()
    me.cancel()
    me.cancel()
    say(f"two requests, uncancel: {me.uncancel()}")
    say(f"uncancel: {me.uncancel()}")
    await asyncio.sleep(0.5)
    say("the sleep was not cancelled")
    return 2


async def keeps_one():
    me = asyncio.current_task()
    me.cancel()
    me.cancel()
    say(f"two requests, uncancel once: {me.uncancel()}")
    say(f"sleep: {await outcome(asyncio.sleep(0.5))}")
    return 3


async def main():
    task = asyncio.create_task(counts())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.sleep(0.1)
    task.cancel()
    say(f"counts: {await outcome(task)}, requests {task.cancelling()}")
    say(f"changes_its_mind: {await outcome(asyncio.create_task(changes_its_mind()))}")
    say(f"keeps_one: {await outcome(asyncio.create_task(keeps_one()))}")


run(main())
