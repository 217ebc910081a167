"""Condition.wait_for() asks its predicate under the lock until it holds (CV-03)."""

import asyncio

from virtual_clock import run, say


class Store:
    def __init__(self):
        self.condition = asyncio.Condition()
        self.items = 0


async def buyer(store, name, wanted):
    async with store.condition:
        await store.condition.wait_for(lambda: store.items >= wanted)
        store.items -= wanted
        say(f"{name} takes {wanted}, {store.items} left")
    return wanted


async def main():
    store = Store()
    buyers = [
        asyncio.create_task(buyer(store, "greedy", 5)),
        asyncio.create_task(buyer(store, "modest", 1)),
        asyncio.create_task(buyer(store, "normal", 2)),
    ]
    for delivery in (1, 1, 1, 2, 4):
        await asyncio.sleep(0.1)
        async with store.condition:
            store.items += delivery
            say(f"{delivery} delivered, {store.items} in store")
            store.condition.notify_all()
    results = await asyncio.gather(*buyers)
    say(f"sold {sum(results)}, {store.items} left")
    async with store.condition:
        await store.condition.wait_for(lambda: store.items == 1)
        say("a predicate that holds does not wait")


run(main())
