"""A Runner runs several mains on one loop, in one context; tasks that are left go on in the next run (R-03, X-03)."""

import asyncio
import contextvars

from virtual_clock import new_runner, say

counter = contextvars.ContextVar("counter", default=0)


async def background():
    for tick in range(1, 10):
        await asyncio.sleep(0.25)
        say(f"background tick {tick}, counter {counter.get()}")


async def start():
    counter.set(counter.get() + 1)
    asyncio.create_task(background())
    await asyncio.sleep(0.3)
    say(f"start ends, counter {counter.get()}")
    return 1


async def go_on():
    say(f"go_on finds counter {counter.get()}")
    counter.set(counter.get() + 10)
    await asyncio.sleep(0.3)
    say(f"go_on ends, counter {counter.get()}")
    return 2


runner = new_runner()
say(f"first run: {runner.run(start())}")
say(f"second run: {runner.run(go_on())}")
say(f"third run: {runner.run(go_on())}")
runner.close()
runner.close()
say(f"counter outside: {counter.get()}")
late = go_on()
try:
    runner.run(late)
    say("run after close: allowed")
except RuntimeError:
    late.close()
    say("run after close: refused")
