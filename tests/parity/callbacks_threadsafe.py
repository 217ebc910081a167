"""call_soon_threadsafe() from the loop's own thread queues like call_soon() (EV-11)."""

import asyncio

from virtual_clock import run, say


async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(say, "one")
    loop.call_soon_threadsafe(say, "two")
    loop.call_soon(say, "three")
    handle = loop.call_soon_threadsafe(say, "never printed")
    handle.cancel()
    await asyncio.sleep(0.1)

    future = loop.create_future()
    loop.call_later(0.5, loop.call_soon_threadsafe, future.set_result, 4)
    say(f"future: {await future}")


run(main())
