"""serve_forever() is for one task; close() from elsewhere cancels it, and a closed server serves no more (SV-02)."""
# requires: 3.12

import asyncio

from virtual_clock import run, say


async def nobody(reader, writer):
    writer.close()


async def tries(server, name):
    try:
        await server.serve_forever()
        say(f"{name}: returns")
    except RuntimeError:
        say(f"{name}: refused")
    except asyncio.CancelledError:
        say(f"{name}: cancelled")


async def main():
    server = await asyncio.start_server(nobody, "127.0.0.1", 0)
    task = asyncio.create_task(tries(server, "the first"))
    await asyncio.sleep(1)
    await tries(server, "a second")
    say(f"serving {server.is_serving()}, done {task.done()}")
    await asyncio.sleep(1)
    server.close()
    say(f"serving {server.is_serving()}, done {task.done()}")
    await task
    await tries(server, "a closed one")
    await server.wait_closed()


run(main())
