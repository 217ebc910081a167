"""A user's program: a supervisor that restarts failed children, more and more slowly, and gives up on hopeless ones."""

import asyncio

from virtual_clock import Failure, run, say

MOST_RESTARTS = 3


class Child:
    def __init__(self, name, lifetime, failures):
        self.name = name
        self.lifetime = lifetime
        self.failures = failures
        self.starts = 0

    async def run(self):
        self.starts += 1
        say(f"{self.name} starts for the {self.starts}. time")
        await asyncio.sleep(self.lifetime)
        if self.starts <= self.failures:
            raise Failure(self.starts)
        say(f"{self.name} has done its work")


async def supervise(child):
    pause = 0.25
    for _ in range(MOST_RESTARTS + 1):
        try:
            await child.run()
            return 0
        except Failure as error:
            say(f"{child.name} fails with {error.code}")
        except asyncio.CancelledError:
            say(f"{child.name} is stopped")
            raise
        await asyncio.sleep(pause)
        pause *= 2
    say(f"{child.name} is hopeless")
    return 1


async def main():
    children = [Child("steady", 1.5, 0), Child("shaky", 0.3, 2), Child("hopeless", 0.1, 100), Child("endless", 1000, 0)]
    tasks = [asyncio.create_task(supervise(child), name=child.name) for child in children]
    hopeless = 0
    waiting = tasks[:3]
    while waiting:
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            if task in done:
                say(f"the supervisor of {task.get_name()} is done")
                hopeless += task.result()
        waiting = [task for task in waiting if task in pending]
    say(f"{hopeless} of {len(children)} are hopeless")
    tasks[3].cancel()
    await asyncio.wait([tasks[3]])
    say("starts: " + " ".join(str(child.starts) for child in children))


run(main())
