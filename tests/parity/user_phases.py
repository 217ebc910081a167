"""A user's program: the stages of a build, some in turn, some at once, with a summary at the end."""

import asyncio

from virtual_clock import Failure, outcome, run, say


class Stage:
    def __init__(self, name, seconds, error=0):
        self.name = name
        self.seconds = seconds
        self.error = error
        self.status = "not run"

    async def run(self):
        say(f"{self.name} starts")
        self.status = "interrupted"
        await asyncio.sleep(self.seconds)
        if self.error:
            self.status = "failed"
            say(f"{self.name} fails")
            raise Failure(self.error)
        self.status = "ok"
        say(f"{self.name} ends")
        return 0


async def build(stages):
    configure, library, program, manual, package = stages
    await configure.run()
    async with asyncio.TaskGroup() as group:
        for stage in (library, program, manual):
            group.create_task(stage.run())
    await package.run()


async def scene(title, manual_error):
    say(title)
    stages = [Stage("configure", 0.5), Stage("library", 2.5), Stage("program", 1.5), Stage("manual", 2, manual_error),
              Stage("package", 0.25)]
    try:
        await build(stages)
        say("built")
    except ExceptionGroup as errors:
        say(f"not built, {len(errors.exceptions)} error")
    say(", ".join(f"{stage.name} {stage.status}" for stage in stages))


async def main():
    await scene("all goes well", 0)
    await scene("the manual fails", 5)
    lone = Stage("lone stage", 10)
    say(f"with a limit: {await outcome(asyncio.wait_for(lone.run(), 1))}, {lone.status}")


run(main())
