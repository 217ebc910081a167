"""An error that nobody looks at is told to the exception handler when its task is let go (F-08, EV-16)."""

import asyncio

from virtual_clock import Failure, name_of, outcome_of, run, say


async def fails(code):
    await asyncio.sleep(0.1)
    say(f"a task fails with {code}")
    raise Failure(code)


def on_error(loop, context):
    say(f"exception handler: {name_of(context['exception'])}")


async def main():
    asyncio.get_running_loop().set_exception_handler(on_error)
    kept = asyncio.create_task(fails(5))
    await asyncio.sleep(0.5)
    say("main still holds the task")
    del kept
    say("main has let it go")

    looked_at = asyncio.create_task(fails(6))
    await asyncio.sleep(0.5)
    say(f"main looks: {outcome_of(looked_at)}")
    del looked_at
    say("main has let it go")


run(main())
