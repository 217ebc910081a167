"""Nobody listens: the connect is refused, and a later one succeeds (ST-01)."""
# requires: 3.12

import asyncio

from virtual_clock import hang_up, name_of, port_of, quoted, run, say


async def greets(reader, writer):
    writer.write(b"hello\n")
    await hang_up(writer)


async def tries(port):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        say(f"connect: {name_of(error)}")
        return
    say(f"connected: {quoted(await reader.readline())}")
    await hang_up(writer)


async def main():
    server = await asyncio.start_server(greets, "127.0.0.1", 0)
    port = port_of(server)
    await tries(port)
    server.close()
    await server.wait_closed()
    await tries(port)
    server = await asyncio.start_server(greets, "127.0.0.1", port)
    await tries(port)
    server.close()
    await server.wait_closed()
    await tries(port)


run(main())
