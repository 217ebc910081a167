"""What is written before close() arrives, what is written behind it does not (ST-11, ST-13)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, quoted, run, say


async def reads_all(reader, writer):
    await asyncio.sleep(1)
    say(f"the server has {quoted(await reader.read())}")
    writer.close()
    await writer.wait_closed()


async def main():
    async with await asyncio.start_server(reads_all, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        writer.write(b"before")
        writer.close()
        writer.write(b"behind")
        say(f"closing {writer.is_closing()}")
        await writer.wait_closed()
        writer.write(b"long behind")
        say(f"read: {quoted(await reader.read(10))}")


run(main())
