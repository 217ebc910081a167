"""A task has the name it is given, or Task-N with N counted up from 1 (T-11)."""
# requires: 3.13

import asyncio

from virtual_clock import run, say


async def introduces_itself():
    say(f"I am {asyncio.current_task().get_name()}")


async def renames_itself():
    asyncio.current_task().set_name("baker")
    await asyncio.sleep(0.1)


async def main():
    say(f"main is {asyncio.current_task().get_name()}")
    unnamed = asyncio.create_task(introduces_itself())
    named = asyncio.create_task(introduces_itself(), name="able")
    another = asyncio.create_task(introduces_itself())
    renamed = asyncio.create_task(renames_itself(), name="nobody")
    say(f"created: {unnamed.get_name()}, {named.get_name()}, {another.get_name()}, {renamed.get_name()}")
    await unnamed
    await named
    await another
    await renamed
    say(f"the renamed one is {renamed.get_name()}")


run(main())
