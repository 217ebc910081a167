"""A cancel between a result and its delivery: the waiter is cancelled, the future keeps its value (T-06)."""

import asyncio

from virtual_clock import outcome, outcome_of, run, say


async def waits_for(future):
    say(f"waiter gets {await outcome(future)}")
    return 1


async def five():
    await asyncio.sleep(0.2)
    return 5


async def main():
    future = asyncio.get_running_loop().create_future()
    waiter = asyncio.create_task(waits_for(future))
    await asyncio.sleep(0.1)
    future.set_result(9)
    say(f"cancel: {waiter.cancel()}")
    say(f"waiter: {await outcome(waiter)}, requests {waiter.cancelling()}")
    say(f"the future holds {outcome_of(future)}")

    say("the same with a task in the place of the future")
    inner = asyncio.create_task(five())
    waiter = asyncio.create_task(waits_for(inner))
    inner.add_done_callback(lambda _: waiter.cancel())
    say(f"waiter: {await outcome(waiter)}")
    say(f"the task holds {outcome_of(inner)}")


run(main())
