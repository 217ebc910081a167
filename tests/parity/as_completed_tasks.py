"""as_completed() that gives the tasks themselves, in the order of completion, then ETIMEDOUT (C-10)."""
# requires: 3.13

import asyncio

from virtual_clock import outcome_of, run, say


async def works(number):
    await asyncio.sleep(number / 10)
    return number


async def main():
    tasks = [asyncio.create_task(works(number), name=f"works-{number}") for number in (3, 1, 2)]
    async for task in asyncio.as_completed(tasks):
        say(f"next: {task.get_name()}, {outcome_of(task)}")

    async for task in asyncio.as_completed([]):
        say("never printed")
    say("as_completed of nothing ends at once")

    tasks = [asyncio.create_task(works(number), name=f"works-{number}") for number in (5, 9, 4)]
    try:
        async for task in asyncio.as_completed(tasks, timeout=0.7):
            say(f"next: {task.get_name()}, {outcome_of(task)}")
        say("never printed")
    except TimeoutError:
        say("ETIMEDOUT")
    await asyncio.sleep(1)
    say(f"the late one was not cancelled: {outcome_of(tasks[1])}")


run(main())
