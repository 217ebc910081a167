"""wait_for() when the result, the expiry and a cancel from outside meet (C-07, D-11)."""
# requires: 3.12

import asyncio

from virtual_clock import outcome, outcome_of, run, say


async def waits(future, seconds):
    return await asyncio.wait_for(future, seconds)


async def main():
    loop = asyncio.get_running_loop()

    say("the result is there, then a cancel comes before it is delivered")
    future = loop.create_future()
    task = asyncio.create_task(waits(future, 1))
    await asyncio.sleep(0.1)
    future.set_result(1)
    task.cancel()
    say(f"wait_for: {await outcome(task)}; the future holds {outcome_of(future)}")

    say("result and expiry are due at once: the expiry comes before the delivery")
    future = loop.create_future()
    loop.call_later(0.5, future.set_result, 2)
    task = asyncio.create_task(waits(future, 0.5))
    say(f"wait_for: {await outcome(task)}; the future holds {outcome_of(future)}")

    say("the same, with the timer of the result behind that of the expiry")
    future = loop.create_future()
    task = asyncio.create_task(waits(future, 0.5))
    await asyncio.sleep(0)
    loop.call_later(0.5, lambda: say(f"result: {'too late' if future.cancelled() else 'in time'}"))
    say(f"wait_for: {await outcome(task)}; the future holds {outcome_of(future)}")

    say("a cancel from outside goes to the awaited future")
    future = loop.create_future()
    task = asyncio.create_task(waits(future, 1))
    await asyncio.sleep(0.1)
    task.cancel()
    say(f"wait_for: {await outcome(task)}; the future holds {outcome_of(future)}")

    say("a cancel from outside at the very time of the expiry wins")
    future = loop.create_future()
    task = asyncio.create_task(waits(future, 0.5))
    await asyncio.sleep(0)
    loop.call_later(0.5, task.cancel)
    say(f"wait_for: {await outcome(task)}, requests {task.cancelling()}")


run(main())
