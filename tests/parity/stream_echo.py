"""A client talks to an echo server, line by line, until it ends what it writes (ST-01, ST-02)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


async def echo(reader, writer):
    say("a client comes")
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    say("the client has no more to say")
    await hang_up(writer)


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await connect(server)
        for text in (b"hello\n", b"\n", b"how are you?\n"):
            await asyncio.sleep(1)
            writer.write(text)
            await writer.drain()
            say(f"echoed: {quoted(await reader.readline())}")
        await asyncio.sleep(1)
        writer.write_eof()
        say(f"at the end: {quoted(await reader.read())}")
        await hang_up(writer)
    say(f"serving {server.is_serving()}")


run(main())
