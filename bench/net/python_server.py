#!/usr/bin/python3
"""The servers on CPython's asyncio and on uvloop: `python_server.py cpython|uvloop streams|protocol
echo|stream|idle|lines`. Prints its port, then serves until it is killed. Both set TCP_NODELAY themselves."""

import asyncio
import sys

SIZES = {"echo": 16 * 1024, "stream": 64 * 1024, "idle": 1024}
BACKLOG = 4096


def echo(size):
    async def serve(reader, writer):
        try:
            while data := await reader.read(size):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # clients come and go as they like
        finally:
            writer.close()

    return serve


async def lines(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Echo(asyncio.Protocol):
    """Writes what it reads; a client that does not read its answers is not read from until it does."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def main(style, service):
    if style == "protocol":
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=BACKLOG)
    else:
        serve = lines if service == "lines" else echo(SIZES[service])
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main(sys.argv[2], sys.argv[3]))
