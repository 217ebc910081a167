"""Reading line by line until the end (ST-10)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


async def sends_a_poem(reader, writer):
    for line in (b"one\n", b"two\nthree\n", b"four"):
        writer.write(line)
        await writer.drain()
        await asyncio.sleep(1)
    await hang_up(writer)


async def main():
    async with await asyncio.start_server(sends_a_poem, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        number = 0
        async for line in reader:
            number += 1
            say(f"{number} {quoted(line)}")
        say(f"at the end {reader.at_eof()}")
        await hang_up(writer)


run(main())
