"""A group takes tasks from its entry to its end, and not while it shuts down (C-16)."""

import asyncio

from virtual_clock import Failure, names_of, run, say


async def never_starts():
    say("never printed")


async def fails():
    await asyncio.sleep(0.1)
    raise Failure(5)


async def adds_in_cleanup(group):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say(f"while it shuts down: {try_to_create(group)}")
        raise


def try_to_create(group):
    child = never_starts()
    try:
        group.create_task(child)
        return "allowed"
    except RuntimeError:
        child.close()
        return "refused"


async def main():
    group = asyncio.TaskGroup()
    say(f"before the entry: {try_to_create(group)}")
    async with group:
        pass
    say(f"after the exit: {try_to_create(group)}")
    try:
        async with group:
            pass
        say("entered again: allowed")
    except RuntimeError:
        say("entered again: refused")

    group = asyncio.TaskGroup()
    try:
        async with group:
            group.create_task(fails())
            group.create_task(adds_in_cleanup(group))
    except ExceptionGroup as errors:
        say(f"errors: {names_of(errors)}")


run(main())
