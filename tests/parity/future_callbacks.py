"""Callbacks of a future: never at once, in the order in which they were added, removed by name (F-03, F-04)."""

import asyncio
import functools

from virtual_clock import outcome_of, run, say


def note(name, future):
    say(f"callback {name}: {outcome_of(future)}")


async def main():
    loop = asyncio.get_running_loop()
    a = functools.partial(note, "a")
    b = functools.partial(note, "b")
    c = functools.partial(note, "c")

    future = loop.create_future()
    for callback in (a, b, c, a, b):
        future.add_done_callback(callback)
    say(f"removed b: {future.remove_done_callback(b)}")
    say(f"removed b again: {future.remove_done_callback(b)}")
    future.set_result(1)
    say("the result is set, no callback has run")
    await asyncio.sleep(0)

    future.add_done_callback(b)
    say("a callback is added late, and has not run")
    await asyncio.sleep(0)
    say("now it has")

    future = loop.create_future()
    future.add_done_callback(c)
    say(f"cancel: {future.cancel()}")
    await asyncio.sleep(0)

    future = loop.create_future()
    future.add_done_callback(a)
    future.remove_done_callback(a)
    future.set_result(2)
    await asyncio.sleep(0.1)
    say("main ends")


run(main())
