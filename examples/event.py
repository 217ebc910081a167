"""An event that a plain callback sets and two coroutines wait for."""

import asyncio


def set_event(event):
    print("setting event in callback")
    event.set()


async def waiter(name, event):
    print(f"{name} waiting for event")
    await event.wait()
    print(f"{name} triggered")


async def main():
    event = asyncio.Event()
    print(f"event start state: {event.is_set()}")
    asyncio.get_running_loop().call_later(0.1, set_event, event)
    await asyncio.gather(waiter("coro1", event), waiter("coro2", event))
    print(f"event end state: {event.is_set()}")


asyncio.run(main())
