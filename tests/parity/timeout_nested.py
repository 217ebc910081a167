"""Timeout scopes in one another: each turns only its own expiry into ETIMEDOUT (C-13)."""

import asyncio

from virtual_clock import name_of, run, say


async def scene(title, outer_limit, inner_limit, seconds):
    say(title)
    me = asyncio.current_task()
    try:
        async with asyncio.timeout(outer_limit) as outer:
            try:
                async with asyncio.timeout(inner_limit) as inner:
                    await asyncio.sleep(seconds)
                    say("the body ends")
            except BaseException as error:
                say(f"inner: {name_of(error)}, expired {inner.expired()}, requests {me.cancelling()}")
                raise
    except BaseException as error:
        say(f"outer: {name_of(error)}, expired {outer.expired()}, requests {me.cancelling()}")


async def main():
    await scene("neither", 0.3, 0.2, 0.1)
    await scene("the inner one is shorter", 0.3, 0.1, 1)
    await scene("the outer one is shorter", 0.1, 0.3, 1)
    await scene("both at once", 0.1, 0.1, 1)

    say("the inner one is caught, and the body goes on into the outer limit")
    try:
        async with asyncio.timeout(0.5):
            try:
                async with asyncio.timeout(0.2):
                    await asyncio.sleep(1)
            except TimeoutError:
                say("inner: ETIMEDOUT")
            await asyncio.sleep(1)
    except TimeoutError:
        say("outer: ETIMEDOUT")
    await asyncio.sleep(1)
    say(f"main has {asyncio.current_task().cancelling()} requests")


run(main())
