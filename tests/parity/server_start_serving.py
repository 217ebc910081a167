"""A server that was made without serving begins when it is told to; telling it twice is harmless (SV-01)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


async def greets(reader, writer):
    writer.write(b"hello\n")
    await hang_up(writer)


async def visits(server):
    try:
        reader, writer = await connect(server)
    except ConnectionRefusedError:
        say("refused")
        return
    say(f"connected: {quoted(await reader.read())}")
    await hang_up(writer)


async def main():
    server = await asyncio.start_server(greets, "127.0.0.1", 0, start_serving=False)
    say(f"serving {server.is_serving()}, sockets {len(server.sockets)}")
    await visits(server)
    await server.start_serving()
    say(f"serving {server.is_serving()}")
    await server.start_serving()
    say(f"serving {server.is_serving()}")
    await visits(server)
    server.close()
    server.close()
    await server.wait_closed()
    say(f"serving {server.is_serving()}")


run(main())
