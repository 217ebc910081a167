"""The exception handler runs in the context of the task that failed (X-04)."""
# requires: 3.12

import asyncio
import contextvars

from virtual_clock import Failure, name_of, run, say

colour = contextvars.ContextVar("colour", default=0)


def on_error(loop, context):
    say(f"exception handler: {name_of(context['exception'])}, colour {colour.get()}")


async def fails(code):
    colour.set(colour.get() + code)
    await asyncio.sleep(0.1)
    raise Failure(code)


async def main():
    asyncio.get_running_loop().set_exception_handler(on_error)
    colour.set(10)
    first = asyncio.create_task(fails(5))
    colour.set(20)
    second = asyncio.create_task(fails(6))
    colour.set(30)
    await asyncio.sleep(0.5)
    del second
    del first
    say(f"main: colour {colour.get()}")


run(main())
