"""Tasks start in the order of creation, when their creator waits (T-01); a done task makes nobody wait (T-04)."""

import asyncio

from virtual_clock import run, say


async def child(number):
    say(f"child {number} starts")
    return number * 10


async def add(first, second):
    say("add is called, not scheduled")
    return await first + await second


async def main():
    tasks = [asyncio.create_task(child(number)) for number in range(3)]
    say("main has created three tasks")
    say(f"task 1: {await tasks[1]}")
    say(f"task 0 is done: {tasks[0].done()}, task 2 is done: {tasks[2].done()}")
    asyncio.get_running_loop().call_soon(say, "the next turn")
    say(f"task 0 and task 2: {await add(tasks[0], tasks[2])}")
    await asyncio.sleep(0)
    say("main ends")


run(main())
