"""call_exception_handler() goes to the handler that was set last (EV-16)."""

import asyncio

from virtual_clock import Failure, name_of, run, say


def first(loop, context):
    say(f"first handler: {context['message']}, {name_of(context['exception'])}")


def second(loop, context):
    task = context.get("task")
    say(f"second handler: {context['message']}, task {task.get_name() if task is not None else 'none'}")


async def sleeps():
    await asyncio.sleep(0.1)


async def main():
    loop = asyncio.get_running_loop()
    say(f"a handler is set: {loop.get_exception_handler() is not None}")
    loop.set_exception_handler(first)
    say(f"a handler is set: {loop.get_exception_handler() is first}")
    loop.call_exception_handler({"message": "the disk is full", "exception": Failure(28)})
    loop.set_exception_handler(second)
    loop.call_exception_handler({"message": "the printer is on fire"})
    sleeper = asyncio.create_task(sleeps(), name="sleeper")
    await asyncio.sleep(0)
    loop.call_exception_handler({"message": "a complaint about a task", "task": sleeper})
    await sleeper
    loop.set_exception_handler(None)
    say(f"a handler is set: {loop.get_exception_handler() is not None}")


run(main())
