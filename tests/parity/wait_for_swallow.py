"""What wait_for() gives when the awaited one does not end cancelled (C-07)."""
# requires: 3.12

import asyncio

from virtual_clock import Failure, outcome, run, say


async def answers_late(answer):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        pass
    await asyncio.sleep(0.5)
    if answer < 0:
        raise Failure(-answer)
    return answer


async def main():
    say(f"a late value: {await outcome(asyncio.wait_for(answers_late(3), 0.1))}")
    say(f"a late error: {await outcome(asyncio.wait_for(answers_late(-5), 0.1))}")
    task = asyncio.create_task(answers_late(4))
    say(f"a task's late value: {await outcome(asyncio.wait_for(task, 0.1))}")
    task = asyncio.create_task(answers_late(-6))
    say(f"a task's late error: {await outcome(asyncio.wait_for(task, 0.1))}")
    say(f"main has {asyncio.current_task().cancelling()} requests")
    await asyncio.sleep(0.1)
    say("main ends")


run(main())
