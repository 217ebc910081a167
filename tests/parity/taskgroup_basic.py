"""The exit of a task group waits for every task, also for those that its tasks add (C-16)."""

import asyncio

from virtual_clock import outcome_of, run, say


async def works(name, seconds, answer):
    await asyncio.sleep(seconds)
    say(f"{name} ends")
    return answer


async def spawns(group):
    await asyncio.sleep(0.1)
    group.create_task(works("late child", 0.4, 5))
    say("spawns has added a child")


async def main():
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(works("slow", 0.3, 3))
        quick = group.create_task(works("quick", 0.1, 4))
        say("the body ends")
    say(f"results: {outcome_of(slow)}, {outcome_of(quick)}")

    async with asyncio.TaskGroup() as group:
        group.create_task(spawns(group))
        await asyncio.sleep(0.05)
        say("the body ends")
    say("the group waited for the late child")

    async with asyncio.TaskGroup() as group:
        pass
    say("an empty group")


run(main())
