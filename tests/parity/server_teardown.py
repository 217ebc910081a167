"""When main returns, the handlers that are left are cancelled, and may clean up (R-05, ST-02)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, run, say


async def serves(reader, writer):
    try:
        await reader.readline()
        say("a line")
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        say("the handler is cancelled")
        await asyncio.sleep(1)
        say("the handler has cleaned up")
        raise
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serves, "127.0.0.1", 0)
    reader, writer = await connect(server)
    writer.write(b"hello\n")
    await asyncio.sleep(1)
    say(f"main ends, serving {server.is_serving()}")
    writer.close()
    server.close()


run(main())
