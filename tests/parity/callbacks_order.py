"""Callbacks run in order, due timers behind them; what they add runs in the next turn (EV-05, EV-10, EV-12)."""

import asyncio

from virtual_clock import run, say


async def main():
    loop = asyncio.get_running_loop()

    def nests(name):
        say(name)
        loop.call_soon(say, f"{name}, its call_soon")
        loop.call_later(0, say, f"{name}, its call_later(0)")

    loop.call_soon(nests, "a")
    loop.call_later(0, say, "call_later(0)")
    loop.call_soon(nests, "b")
    await asyncio.sleep(0.1)

    start = loop.time()
    loop.call_later(0.3, say, "call_later(0.3)")
    loop.call_later(0.1, say, "call_later(0.1)")
    loop.call_at(start + 0.2, say, "call_at(start + 0.2)")
    loop.call_at(start - 1, say, "call_at(start - 1)")
    loop.call_soon(say, "call_soon")
    timer = loop.call_later(1, say, "call_later(1)")
    say(f"the last timer is due at {timer.when():.3f}")
    await asyncio.sleep(1)
    loop.call_later(-1, say, "call_later(-1)")
    await asyncio.sleep(0.1)
    say("main ends")


run(main())
