"""close() stops listening and keeps the clients (SV-03)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, port_of, quoted, run, say


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
    await hang_up(writer)


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = port_of(server)
    reader, writer = await connect(server)
    writer.write(b"before\n")
    say(f"echoed: {quoted(await reader.readline())}")
    server.close()
    await asyncio.sleep(1)
    try:
        await asyncio.open_connection("127.0.0.1", port)
        say("a new client: connected")
    except ConnectionRefusedError:
        say("a new client: refused")
    writer.write(b"behind\n")
    say(f"echoed: {quoted(await reader.readline())}")
    await hang_up(writer)
    await server.wait_closed()
    say("closed")


run(main())
