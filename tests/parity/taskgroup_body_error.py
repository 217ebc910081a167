"""An error of the body cancels the tasks, and comes last among the errors (C-17)."""

import asyncio

from virtual_clock import Failure, names_of, run, say


async def cleans_up(name, seconds, code):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        say(f"{name} has cleaned up")
        if code:
            raise Failure(code)
        raise


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cleans_up("first", 0.1, 0))
            await asyncio.sleep(0.5)
            raise Failure(5)
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cleans_up("second", 0.2, 7))
            group.create_task(cleans_up("third", 0.1, 8))
            await asyncio.sleep(0.5)
            raise Failure(6)
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")

    say("the body answers the group's cancel with an error of its own")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cleans_up("fourth", 0.1, 0))
            child = group.create_task(cleans_up("fifth", 0.2, 9))
            await asyncio.sleep(0.1)
            child.cancel()
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                raise Failure(10)
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")
    await asyncio.sleep(0.1)
    say(f"main has {asyncio.current_task().cancelling()} requests")


run(main())
