"""as_completed() as a plain iterator: the results in the order of completion, then the timeouts (C-09)."""

import asyncio

from virtual_clock import Failure, outcome, outcome_of, run, say


async def works(number, seconds):
    await asyncio.sleep(seconds)
    if number == 2:
        raise Failure(5)
    return number


async def main():
    tasks = [asyncio.create_task(works(number, seconds)) for number, seconds in ((1, 0.3), (2, 0.1), (3, 0.2))]
    for earliest in asyncio.as_completed(tasks):
        say(f"next: {await outcome(earliest)}")

    say("a duplicate counts once")
    task = asyncio.create_task(works(4, 0.1))
    for earliest in asyncio.as_completed([task, task]):
        say(f"next: {await outcome(earliest)}")

    say("with a timeout")
    tasks = [asyncio.create_task(works(number, number / 10)) for number in (9, 1, 8)]
    for earliest in asyncio.as_completed(tasks, timeout=0.5):
        say(f"next: {await outcome(earliest)}")
    await asyncio.sleep(1)
    say(f"the tasks were not cancelled: {outcome_of(tasks[0])}, {outcome_of(tasks[1])}, {outcome_of(tasks[2])}")


run(main())
