"""notify(n) wakes the first n that wait; each returns when it has the lock again (CV-01, CV-04)."""

import asyncio

from virtual_clock import refused, run, say


async def waits(condition, name):
    async with condition:
        say(f"{name} waits")
        await condition.wait()
        say(f"{name} is notified, locked {condition.locked()}")
        await asyncio.sleep(0.1)


async def main():
    condition = asyncio.Condition()
    say(f"notify without the lock: {refused(condition.notify)}")
    try:
        await condition.wait()
        say("wait without the lock: allowed")
    except RuntimeError:
        say("wait without the lock: refused")

    tasks = [asyncio.create_task(waits(condition, f"waiter {number}")) for number in range(6)]
    await asyncio.sleep(0.1)
    async with condition:
        condition.notify()
        say("main has notified one, and keeps the lock for a while")
        await asyncio.sleep(0.2)
        say("main leaves")
    await asyncio.sleep(0.5)
    async with condition:
        condition.notify(2)
        condition.notify(1)
        say("main has notified two and one")
    await asyncio.sleep(0.5)
    async with condition:
        condition.notify_all()
        condition.notify_all()
        say("main has notified all")
    for task in tasks:
        await task
    async with condition:
        condition.notify(5)
    say("nobody waits: a notify is lost")


run(main())
