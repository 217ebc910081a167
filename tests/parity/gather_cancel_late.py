"""A gather() whose children are all done takes no cancel, even before it has noticed (C-05)."""

import asyncio

from virtual_clock import run, say


async def main():
    loop = asyncio.get_running_loop()
    first = loop.create_future()
    second = loop.create_future()
    group = asyncio.gather(first, second)
    await asyncio.sleep(0.1)
    first.set_result(1)
    second.set_result(2)
    say(f"done: {group.done()}, cancel: {group.cancel()}")
    results = await group
    say(f"results: {results[0]} {results[1]}")


run(main())
