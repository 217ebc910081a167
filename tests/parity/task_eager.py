"""An eager task takes its first step inside its creation (T-14)."""
# requires: 3.12

import asyncio
import contextvars

from virtual_clock import Failure, outcome, outcome_of, run, say

colour = contextvars.ContextVar("colour", default=0)


def create_eager(coroutine, name):
    return asyncio.eager_task_factory(asyncio.get_running_loop(), coroutine, name=name)


def my_name():
    return asyncio.current_task().get_name()


async def never_waits():
    say(f"{my_name()} runs at once, colour {colour.get()}")
    colour.set(2)
    return 7


async def waits():
    say(f"{my_name()} takes its first step")
    await asyncio.sleep(0.1)
    say(f"{my_name()} ends")
    return 8


async def fails():
    say(f"{my_name()} fails at once")
    raise Failure(5)


async def main():
    asyncio.current_task().set_name("main")
    colour.set(1)
    quick = create_eager(never_waits(), "quick")
    say(f"back in {my_name()}, quick is done: {quick.done()}, {outcome_of(quick)}, colour {colour.get()}")
    slow = create_eager(waits(), "slow")
    say(f"back in {my_name()}, slow is done: {slow.done()}")
    wrong = create_eager(fails(), "wrong")
    say(f"back in {my_name()}, wrong is done: {wrong.done()}")
    later = asyncio.create_task(waits(), name="later")
    say(f"back in {my_name()}, later has not started")
    say(f"wrong: {await outcome(wrong)}")
    say(f"slow: {await outcome(slow)}")
    say(f"later: {await outcome(later)}")


run(main())
