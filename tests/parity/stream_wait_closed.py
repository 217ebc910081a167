"""wait_closed() waits for what close() began; any number of tasks may, before it and after (ST-13)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, run, say


async def waits(name, writer):
    await writer.wait_closed()
    say(f"{name}: closed")


async def reads_late(reader, writer):
    await asyncio.sleep(2)
    data = await reader.read()
    say(f"the server has {len(data)} bytes")
    writer.close()
    await writer.wait_closed()


async def main():
    async with await asyncio.start_server(reads_late, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        tasks = [asyncio.create_task(waits(name, writer)) for name in ("first", "second")]
        await asyncio.sleep(1)
        say(f"closing {writer.is_closing()}, done {tasks[0].done()} and {tasks[1].done()}")
        writer.write(b"x" * 1000)
        writer.close()
        say(f"closing {writer.is_closing()}")
        writer.close()
        for task in tasks:
            await task
        await waits("main", writer)
        await waits("main again", writer)


run(main())
