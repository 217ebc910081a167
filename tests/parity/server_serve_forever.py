"""serve_forever() is over when it is cancelled: the server is closed, and its clients are waited for (SV-02)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, name_of, quoted, run, say


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
    await asyncio.sleep(1)
    say("the client is served")
    await hang_up(writer)


async def serves(server):
    try:
        await server.serve_forever()
        say("serve_forever returns")
    except asyncio.CancelledError:
        say(f"serve_forever is cancelled, serving {server.is_serving()}")
        raise


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0, start_serving=False)
    task = asyncio.create_task(serves(server))
    await asyncio.sleep(1)
    say(f"serving {server.is_serving()}")
    reader, writer = await connect(server)
    writer.write(b"hello\n")
    say(f"echoed: {quoted(await reader.readline())}")
    task.cancel()
    await asyncio.sleep(1)
    say(f"serving {server.is_serving()}, done {task.done()}")
    writer.write(b"still here\n")
    say(f"echoed: {quoted(await reader.readline())}")
    await hang_up(writer)
    try:
        await task
    except asyncio.CancelledError as error:
        say(f"the task: {name_of(error)}")


run(main())
