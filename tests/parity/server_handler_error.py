"""A handler that fails is told to the exception handler, its client is closed, and the server goes on (ST-02)."""
# requires: 3.12

import asyncio

from virtual_clock import Failure, connect, hang_up, name_of, quoted, run, say


def on_error(loop, context):
    say(f"exception handler: {name_of(context['exception'])}")


async def fails(reader, writer):
    number = int(await reader.readline())
    writer.write(b"a part of the answer")
    if number:
        await asyncio.sleep(1)
        raise Failure(number)
    await hang_up(writer)


async def main():
    asyncio.get_running_loop().set_exception_handler(on_error)
    server = await asyncio.start_server(fails, "127.0.0.1", 0)
    for number in (b"5\n", b"0\n", b"7\n"):
        reader, writer = await connect(server)
        writer.write(number)
        answer = await reader.read()
        await asyncio.sleep(1)
        say(f"the client has {quoted(answer)}, serving {server.is_serving()}")
        await hang_up(writer)
    server.close()
    await server.wait_closed()


run(main())
