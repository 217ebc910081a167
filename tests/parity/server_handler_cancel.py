"""A handler that is cancelled is nobody's error; its client is closed, and the server goes on (ST-02)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say

handlers = []


def on_error(loop, context):
    say("the exception handler is called")


async def serves(reader, writer):
    handlers.append(asyncio.current_task())
    writer.write(b"welcome")
    try:
        await reader.read()
        say("the client goes")
    except asyncio.CancelledError:
        say("the handler is cancelled")
        await asyncio.sleep(1)
        writer.write(b", and good bye")
        raise
    await hang_up(writer)


async def main():
    asyncio.get_running_loop().set_exception_handler(on_error)
    server = await asyncio.start_server(serves, "127.0.0.1", 0)
    reader, writer = await connect(server)
    await asyncio.sleep(1)
    handlers[0].cancel()
    answer = await reader.read()
    await asyncio.sleep(1)
    say(f"the client has {quoted(answer)}, serving {server.is_serving()}")
    await hang_up(writer)

    reader, writer = await connect(server)
    say(f"the next has {quoted(await reader.readexactly(7))}")
    await hang_up(writer)
    server.close()
    await server.wait_closed()
    say("closed")


run(main())
