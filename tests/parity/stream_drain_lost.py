"""When the peer goes away while a task drains, all that drain are told, and who waits for the close (ST-12)."""
# requires: 3.12

import asyncio

from virtual_clock import run, say, unix_path

SIZE = 4 * 1024 * 1024


async def hangs_up(reader, writer):
    await reader.readexactly(10)
    await asyncio.sleep(1)
    say("the server goes away with unread data")
    writer.close()
    await writer.wait_closed()


async def tells(name, awaitable):
    """Which of the errors of a lost connection comes first is the kernel's affair."""
    try:
        await awaitable
        say(f"{name}: fine")
    except ConnectionError:
        say(f"{name}: the connection is lost")


async def main():
    path = unix_path("drain")
    async with await asyncio.start_unix_server(hangs_up, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(bytes(SIZE))
        tasks = [asyncio.create_task(tells(name, writer.drain())) for name in ("first", "second")]
        for task in tasks:
            await task
        await tells("main", writer.drain())
        writer.close()
        say(f"closing {writer.is_closing()}")
        await tells("closed", writer.wait_closed())


run(main())
