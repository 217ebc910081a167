"""A cancelled handle does not run, also when an earlier one of the same turn cancels it (EV-06, EV-13)."""

import asyncio

from virtual_clock import run, say


async def main():
    loop = asyncio.get_running_loop()

    handle = loop.call_soon(say, "never printed")
    say(f"cancelled {handle.cancelled()}")
    handle.cancel()
    handle.cancel()
    say(f"cancelled {handle.cancelled()}")

    def cancels():
        say("an earlier handle cancels a later one")
        later.cancel()

    loop.call_soon(cancels)
    later = loop.call_soon(say, "never printed")
    loop.call_soon(say, "a third handle")
    await asyncio.sleep(0.1)

    def cancels_timer():
        say("an earlier timer cancels one that is due as well")
        late_timer.cancel()

    loop.call_later(0.1, cancels_timer)
    late_timer = loop.call_later(0.1, say, "never printed")
    far_timer = loop.call_later(1000, say, "never printed")
    await asyncio.sleep(0.2)
    far_timer.cancel()

    handle = loop.call_soon(say, "this one has run")
    await asyncio.sleep(0)
    handle.cancel()
    say("cancelling it afterwards is harmless")
    await asyncio.sleep(0.1)
    say("main ends")


run(main())
