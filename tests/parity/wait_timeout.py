"""wait() with a timeout gives what is done by then; duplicates count once; nothing is cancelled (C-06)."""

import asyncio

from virtual_clock import outcome, outcome_of, run, say


async def works(number, seconds):
    await asyncio.sleep(seconds)
    say(f"works {number} ends")
    return number


async def waits(tasks):
    done, pending = await asyncio.wait(tasks)
    say("never printed")


async def main():
    tasks = [asyncio.create_task(works(number, number / 10)) for number in range(1, 5)]
    done, pending = await asyncio.wait(tasks, timeout=0.25)
    say(f"after 0.25: {len(done)} done, {len(pending)} pending")
    done, pending = await asyncio.wait(tasks, timeout=0)
    say(f"with a timeout of 0: {len(done)} done, {len(pending)} pending")
    done, pending = await asyncio.wait([tasks[2], tasks[2], tasks[0]], timeout=10)
    say(f"with a duplicate: {len(done)} done, {len(pending)} pending")

    waiter = asyncio.create_task(waits(tasks))
    await asyncio.sleep(0.05)
    waiter.cancel()
    say(f"a cancelled wait: {await outcome(waiter)}")
    await asyncio.sleep(1)
    say(f"tasks: {outcome_of(tasks[0])}, {outcome_of(tasks[1])}, {outcome_of(tasks[2])}, {outcome_of(tasks[3])}")
    done, pending = await asyncio.wait(tasks)
    say(f"all long done: {len(done)} done, {len(pending)} pending")


run(main())
