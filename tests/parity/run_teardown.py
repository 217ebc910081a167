"""When main ends, run() cancels every task that is left and waits for their clean-up (R-02)."""

import asyncio

from virtual_clock import Failure, name_of, run_outcome, say


told = []


async def cleans_up(name, seconds):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        say(f"{name} has cleaned up")
        raise


async def refuses():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        pass
    await asyncio.sleep(0.2)
    say("refuses returns a result all the same")
    return 3


async def fails_in_cleanup():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0.4)
        say("fails_in_cleanup gives up")
        raise Failure(5)


def on_error(loop, context):
    told.append(name_of(context["exception"]))


async def main(result):
    asyncio.get_running_loop().set_exception_handler(on_error)
    tasks = [
        asyncio.create_task(cleans_up("quick", 0.1)),
        asyncio.create_task(refuses()),
        asyncio.create_task(cleans_up("slow", 0.3)),
        asyncio.create_task(fails_in_cleanup()),
    ]
    await asyncio.sleep(0.5)
    say(f"main leaves {len(tasks)} tasks behind")
    if result < 0:
        raise Failure(-result)
    return result


say(f"run: {run_outcome(main(7))}, the exception handler was told of {told.pop()}")
say(f"run with a failing main: {run_outcome(main(-9))}, the exception handler was told of {told.pop()}")
