"""What done(), cancelled(), result() and exception() say of a task in each of its states (T-05, T-10)."""

import asyncio

from virtual_clock import Failure, name_of, outcome_of, run, say


async def works(seconds, answer):
    await asyncio.sleep(seconds)
    if answer < 0:
        raise Failure(-answer)
    return answer


def error_of(task):
    try:
        error = task.exception()
    except (asyncio.CancelledError, asyncio.InvalidStateError) as refusal:
        return name_of(refusal)
    return name_of(error) if error is not None else "none"


def describe(name, task):
    say(f"{name}: done {task.done()}, cancelled {task.cancelled()}, result {outcome_of(task)}, "
        f"exception {error_of(task)}")


async def main():
    good = asyncio.create_task(works(0.1, 4))
    bad = asyncio.create_task(works(0.2, -5))
    ugly = asyncio.create_task(works(10, 6))
    describe("good", good)
    await asyncio.sleep(0.5)
    ugly.cancel()
    describe("ugly", ugly)
    await asyncio.sleep(0.5)
    describe("good", good)
    describe("bad", bad)
    describe("ugly", ugly)


run(main())
