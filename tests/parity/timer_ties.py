"""Timers with one deadline run in the order in which they were made (D-01)."""

import asyncio

from virtual_clock import run, say


async def main():
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.5
    timers = [loop.call_at(deadline, say, f"timer {number}") for number in range(12)]
    loop.call_later(0.25, loop.call_at, deadline, say, "a timer made later")
    for number in (0, 3, 4, 9):
        timers[number].cancel()
    await asyncio.sleep(1)

    say("two hundred, made from the last to the first")
    order = []
    for number in range(200):
        loop.call_later((200 - number) // 20 / 10, order.append, number)
    await asyncio.sleep(5)
    ascending = sum(1 for one, two in zip(order, order[1:]) if one < two)
    say(f"{len(order)} have run, {ascending} pairs in the order of making, first {order[0]}, last {order[-1]}")


run(main())
