"""abort_clients() drops what was written to clients that do not read (SV-05)."""
# requires: 3.13

import asyncio

from virtual_clock import run, say, unix_path

SIZE = 4 * 1024 * 1024


async def talks(reader, writer):
    writer.write(bytes(SIZE))
    try:
        await writer.drain()
    except ConnectionError:
        pass
    say("the server waits no more")


async def main():
    path = unix_path("abort")
    server = await asyncio.start_unix_server(talks, path)
    reader, writer = await asyncio.open_unix_connection(path, limit=1024)
    await asyncio.sleep(1)
    server.close()
    server.close_clients()
    await asyncio.sleep(1)
    say("close_clients waits for who does not read")
    server.abort_clients()
    await server.wait_closed()
    say("abort_clients does not")
    total = 0
    try:
        while data := await reader.read(65536):
            total += len(data)
    except ConnectionError:
        pass
    say(f"the client has all of it: {total == SIZE}")
    writer.close()


run(main())
