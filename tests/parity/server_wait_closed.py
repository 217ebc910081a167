"""wait_closed() waits until the server is closed and has no client, whoever asks and when (SV-04, #93)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, run, say


async def serves(reader, writer):
    await reader.read()
    await asyncio.sleep(1)
    await hang_up(writer)


async def waits(server, name):
    await server.wait_closed()
    say(f"{name}: closed")


async def main():
    server = await asyncio.start_server(serves, "127.0.0.1", 0)
    early = asyncio.create_task(waits(server, "who waits before"))
    await asyncio.sleep(1)
    reader, writer = await connect(server)
    reader2, writer2 = await connect(server)
    await asyncio.sleep(1)
    say(f"before the close: done {early.done()}")
    server.close()
    late = asyncio.create_task(waits(server, "who waits behind"))
    cancelled = asyncio.create_task(waits(server, "who is cancelled"))
    await asyncio.sleep(1)
    cancelled.cancel()
    say(f"with two clients: done {early.done()}, {late.done()}")
    writer.close()
    await asyncio.sleep(2)
    say(f"with one client: done {early.done()}, {late.done()}, {cancelled.cancelled()}")
    writer2.close()
    await early
    await late
    await waits(server, "main")


run(main())
