"""The first error cancels the other tasks; all errors come out in the order in which they happened (C-16, C-17)."""
# requires: 3.13

import asyncio

from virtual_clock import Failure, names_of, outcome_of, run, say


async def fails(seconds, code):
    await asyncio.sleep(seconds)
    raise Failure(code)


async def cleans_up(seconds):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        say("cleans_up has cleaned up")
        raise


async def fails_in_cleanup(seconds, code):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        raise Failure(code)


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(fails(0.1, 5))
            second = group.create_task(cleans_up(0.2))
            group.create_task(fails_in_cleanup(0.3, 6))
            group.create_task(fails_in_cleanup(0.1, 7))
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")
    say(f"children: {outcome_of(first)}, {outcome_of(second)}")
    say(f"main has {asyncio.current_task().cancelling()} requests")

    say("the body waits, and is cancelled by the group")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(0.1, 8))
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                say(f"the body is cancelled, requests {asyncio.current_task().cancelling()}")
                raise
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")
    await asyncio.sleep(0.1)
    say(f"main has {asyncio.current_task().cancelling()} requests")


run(main())
