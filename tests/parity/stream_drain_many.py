"""Several tasks drain at once; all go on when the peer reads, and one that is cancelled harms nobody (ST-12, #87)."""
# requires: 3.12

import asyncio

from virtual_clock import hang_up, outcome, run, say, unix_path

SIZE = 4 * 1024 * 1024


async def reads_late(reader, writer):
    await asyncio.sleep(5)
    left = SIZE
    while left > 0:
        left -= len(await reader.read(65536))
    await hang_up(writer)


async def drains(name, writer):
    try:
        await writer.drain()
    except asyncio.CancelledError:
        say(f"{name} is cancelled")
        raise
    say(f"{name} goes on")


async def main():
    path = unix_path("drain")
    async with await asyncio.start_unix_server(reads_late, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(bytes(SIZE))
        tasks = [asyncio.create_task(drains(name, writer)) for name in ("first", "second", "third", "fourth")]
        await asyncio.sleep(1)
        tasks[1].cancel()
        await asyncio.sleep(1)
        say(f"done: {', '.join(str(task.done()) for task in tasks)}")
        for task in tasks:
            await outcome(task)
        say(f"at the end: {len(await reader.read(1))}")
        await hang_up(writer)


run(main())
