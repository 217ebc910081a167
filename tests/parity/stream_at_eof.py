"""at_eof() is true once the end has come and all before it is read (ST-04)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


async def sends(reader, writer):
    writer.write(b"one\ntwo\n")
    await asyncio.sleep(1)
    await hang_up(writer)


async def main():
    async with await asyncio.start_server(sends, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        say(f"at first: {reader.at_eof()}")
        say(f"{quoted(await reader.readline())}: {reader.at_eof()}")
        say(f"{quoted(await reader.readline())}: {reader.at_eof()}")
        say(f"{quoted(await reader.readline())}: {reader.at_eof()}")
        say(f"closing {writer.is_closing()}")
        await hang_up(writer)


run(main())
