"""current_task() is the task that runs, and none in a callback (T-16); all_tasks() counts those not done (T-17)."""

import asyncio

from virtual_clock import run, say


def current():
    task = asyncio.current_task()
    return task.get_name() if task is not None else "none"


def callback():
    say(f"callback: current task {current()}, tasks {len(asyncio.all_tasks())}")


async def called():
    say(f"a coroutine that is called, not scheduled: current task {current()}")


async def child():
    say(f"child starts: current task {current()}, tasks {len(asyncio.all_tasks())}")
    await asyncio.sleep(0.1)
    say(f"child ends: current task {current()}")


async def main():
    asyncio.current_task().set_name("main")
    say(f"main alone: tasks {len(asyncio.all_tasks())}")
    asyncio.get_running_loop().call_soon(callback)
    first = asyncio.create_task(child(), name="first")
    second = asyncio.create_task(child(), name="second")
    say(f"main has created two: current task {current()}, tasks {len(asyncio.all_tasks())}")
    await called()
    await first
    await second
    say(f"both are done: current task {current()}, tasks {len(asyncio.all_tasks())}")


run(main())
