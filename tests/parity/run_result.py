"""asyncio.run() gives main's result, its error or its cancellation; each run starts on a loop of its own (R-01)."""

import asyncio

from virtual_clock import Failure, run, run_outcome, say


async def returns_seven():
    say("returns_seven starts")
    await asyncio.sleep(0.5)
    say("returns_seven ends")
    return 7


async def fails():
    await asyncio.sleep(0.1)
    say("fails gives up")
    raise Failure(5)


async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(1)
    say("never printed")


async def runs_inside_a_run():
    inner = returns_seven()
    try:
        run(inner)
        say("a run inside a run: allowed")
    except RuntimeError:
        inner.close()
        say("a run inside a run: refused")
    return 0


say(f"returns_seven: {run_outcome(returns_seven())}")
say(f"returns_seven again: {run_outcome(returns_seven())}")
say(f"fails: {run_outcome(fails())}")
say(f"cancels_itself: {run_outcome(cancels_itself())}")
say(f"runs_inside_a_run: {run_outcome(runs_inside_a_run())}")
