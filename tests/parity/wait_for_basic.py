"""wait_for(): in time, too late, with an error, without a limit, and for a task that it cancels (C-07)."""

import asyncio

from virtual_clock import Failure, outcome, run, say


async def works(seconds, answer):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        say("works is cancelled, and cleans up")
        await asyncio.sleep(0.5)
        say("works has cleaned up")
        raise
    if answer < 0:
        raise Failure(-answer)
    return answer


async def main():
    say(f"in time: {await outcome(asyncio.wait_for(works(0.1, 1), 0.2))}")
    say(f"too late: {await outcome(asyncio.wait_for(works(0.3, 2), 0.2))}")
    say(f"with an error: {await outcome(asyncio.wait_for(works(0.1, -5), 0.2))}")
    say(f"without a limit: {await outcome(asyncio.wait_for(works(1000, 4), None))}")

    task = asyncio.create_task(works(0.3, 5))
    say(f"a task, too late: {await outcome(asyncio.wait_for(task, 0.2))}")
    say(f"the task was cancelled: {task.cancelled()}")

    future = asyncio.get_running_loop().create_future()
    say(f"a future, too late: {await outcome(asyncio.wait_for(future, 0.2))}")
    say(f"the future was cancelled: {future.cancelled()}")
    say(f"main has {asyncio.current_task().cancelling()} requests")


run(main())
