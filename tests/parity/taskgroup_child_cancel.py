"""A task of a group that is cancelled alone, or cancels itself, disturbs nobody (C-16)."""

import asyncio

from virtual_clock import outcome_of, run, say


async def works(name, seconds):
    await asyncio.sleep(seconds)
    say(f"{name} ends")
    return 1


async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


async def main():
    async with asyncio.TaskGroup() as group:
        stays = group.create_task(works("stays", 0.5))
        goes = group.create_task(works("goes", 10))
        itself = group.create_task(cancels_itself())
        await asyncio.sleep(0.1)
        goes.cancel()
        await asyncio.sleep(0.1)
        say(f"goes: {outcome_of(goes)}, itself: {outcome_of(itself)}")
    say(f"the group is left, stays: {outcome_of(stays)}")
    say(f"main has {asyncio.current_task().cancelling()} requests")


run(main())
