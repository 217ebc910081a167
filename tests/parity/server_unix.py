"""A server on a Unix socket, abstract, serves as one on a port does (ST-03)."""
# requires: 3.12

import asyncio

from virtual_clock import hang_up, quoted, run, say, unix_path


async def shouts(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
    await hang_up(writer)


async def main():
    path = unix_path("shout")
    try:
        await asyncio.open_unix_connection(path)
        say("before: connected")
    except ConnectionRefusedError:
        say("before: refused")
    server = await asyncio.start_unix_server(shouts, path)
    say(f"serving {server.is_serving()}, sockets {len(server.sockets)}")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"hello\nworld\n")
    say(f"the client has {quoted(await reader.readline())}, {quoted(await reader.readline())}")
    writer.write_eof()
    say(f"at the end: {quoted(await reader.read())}")
    await hang_up(writer)
    try:
        await asyncio.start_unix_server(shouts, path)
        say("a second server: serves")
    except OSError:
        say("a second server: refused")
    server.close()
    await server.wait_closed()
    try:
        await asyncio.open_unix_connection(path)
        say("behind: connected")
    except ConnectionRefusedError:
        say("behind: refused")


run(main())
