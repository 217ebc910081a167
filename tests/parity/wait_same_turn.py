"""What becomes done in the very turn in which wait() times out counts as done (C-06)."""

import asyncio

from virtual_clock import outcome_of, run, say


async def main():
    loop = asyncio.get_running_loop()
    before = loop.create_future()
    after = loop.create_future()
    never = loop.create_future()
    futures = [before, after, never]
    # The timers run in the order of making: one result, the timeout, the other result, all at 0.5.
    loop.call_later(0.5, before.set_result, 1)
    loop.call_soon(loop.call_later, 0.5, after.set_result, 2)
    await asyncio.wait(futures, timeout=0.5)
    say(f"before: {outcome_of(before)}, after: {outcome_of(after)}, never: {outcome_of(never)}")


run(main())
