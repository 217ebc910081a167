"""For FIRST_EXCEPTION a cancelled task is no exception (C-06)."""

import asyncio

from virtual_clock import Failure, outcome_of, run, say


async def works(number, seconds, answer):
    await asyncio.sleep(seconds)
    say(f"works {number} ends")
    if answer < 0:
        raise Failure(-answer)
    return answer


async def scene(title, last_answer):
    say(title)
    tasks = [
        asyncio.create_task(works(0, 10, 10)),
        asyncio.create_task(works(1, 0.2, 11)),
        asyncio.create_task(works(2, 0.4, last_answer)),
        asyncio.create_task(works(3, 0.6, 13)),
    ]
    asyncio.get_running_loop().call_later(0.1, tasks[0].cancel)
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    say(f"{len(done)} done, {len(pending)} pending")
    say(f"the cancelled one: {outcome_of(tasks[0])}, the third: {outcome_of(tasks[2])}")
    await asyncio.wait(tasks)


async def main():
    await scene("one is cancelled, none fails", 12)
    await scene("one is cancelled, one fails", -5)


run(main())
