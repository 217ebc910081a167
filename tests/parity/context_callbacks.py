"""A callback runs in the context in which it was registered, or in the one it is given (X-01)."""

import asyncio
import contextvars

from virtual_clock import run, say

colour = contextvars.ContextVar("colour", default=0)


def show(name):
    say(f"{name}: colour {colour.get()}")


def show_done(future):
    show("done callback")


def change():
    colour.set(50)
    show("change")


async def main():
    loop = asyncio.get_running_loop()
    colour.set(1)
    loop.call_soon(show, "call_soon")
    loop.call_later(0.1, show, "call_later")
    future = loop.create_future()
    future.add_done_callback(show_done)
    loop.call_soon(change)
    loop.call_soon(show, "after change")

    colour.set(2)
    loop.call_soon(show, "call_soon again")
    saved = contextvars.copy_context()
    colour.set(3)
    loop.call_soon(show, "in a given context", context=saved)
    future.set_result(0)
    await asyncio.sleep(0.2)
    show("main")

    say("the callbacks of one context see what the others set in it")
    loop.call_soon(change, context=saved)
    loop.call_soon(show, "in the given context", context=saved)
    await asyncio.sleep(0.1)
    show("main")


run(main())
