#!/usr/bin/python3
"""The servers on CPython's asyncio and on uvloop. Prints its port, then serves until it is killed. Both set TCP_NODELAY
themselves.

    python_server.py cpython|uvloop streams|protocol echo|stream|idle|lines
    python_server.py ... echo CERTIFICATE KEY                  the same over TLS
    python_server.py ... streams file CERTIFICATE KEY FILE     a file from memory, by HTTP over TLS
"""

import asyncio
import pathlib
import ssl
import sys

SIZES = {"echo": 16 * 1024, "stream": 64 * 1024, "idle": 1024}
BACKLOG = 4096
PIECE = 64 * 1024  # bytes of a file that are written at a time


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


def send_file(name):
    """Answers whatever is asked for with the file."""
    file = memoryview(pathlib.Path(name).read_bytes())

    async def serve(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(file))
                for at in range(0, len(file), PIECE):
                    writer.write(file[at:at + PIECE])
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return serve


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


async def main(style, service, *files):
    context = None
    if files:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files[0], files[1])
    if style == "protocol":
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=BACKLOG, ssl=context)
    else:
        serve = lines if service == "lines" else send_file(files[2]) if service == "file" else echo(SIZES[service])
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=BACKLOG, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main(*sys.argv[2:]))
