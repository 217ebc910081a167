"""A port that is taken is refused, and is free when its server is closed (N-06)."""
# requires: 3.12

import asyncio
import errno

from virtual_clock import connect, hang_up, port_of, run, say


async def nobody(reader, writer):
    await hang_up(writer)


async def tries(port):
    try:
        server = await asyncio.start_server(nobody, "127.0.0.1", port)
    except OSError as error:
        say(f"start_server: {errno.errorcode[error.errno]}")
        return None
    say(f"start_server: serving {server.is_serving()}, the same port {port_of(server) == port}")
    return server


async def main():
    server = await asyncio.start_server(nobody, "127.0.0.1", 0)
    port = port_of(server)
    await tries(port)
    reader, writer = await connect(server)
    say(f"a client: {len(await reader.read())} bytes")
    await hang_up(writer)
    server.close()
    await server.wait_closed()
    server = await tries(port)
    await tries(port)
    server.close()
    await server.wait_closed()


run(main())
