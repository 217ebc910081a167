"""run_until_complete() runs one loop many times, with futures and tasks; timers outlive each run (R-09)."""

import asyncio

from virtual_clock import VirtualLoop, outcome_of, say

loop = VirtualLoop()


async def sleeper(seconds, result):
    await asyncio.sleep(seconds)
    say(f"sleeper {result} ends")
    return result


def complete(future):
    try:
        return f"{loop.run_until_complete(future)}"
    except RuntimeError:
        return "stopped before it was done"


loop.call_later(0.25, say, "timer of the first run")
future = loop.create_future()
loop.call_later(0.1, future.set_result, 11)
say(f"future: {complete(future)}")

long = loop.create_task(sleeper(0.5, 12))
say(f"short: {complete(loop.create_task(sleeper(0.2, 13)))}")
say(f"long is done: {long.done()}")
say(f"long: {complete(long)}")
say(f"long again: {complete(long)}")

never = loop.create_future()
loop.call_later(0.1, loop.stop)
say(f"never: {complete(never)}")
never.cancel()
say(f"never afterwards: {outcome_of(never)}")
loop.close()
