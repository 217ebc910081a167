#!/usr/bin/python3
"""Many clients at once at an echo server, which is started for them; every byte that comes back is checked.

    echo_load.py [--clients N] [--size BYTES] ECHO_SERVER

The last line is, for example, "200 clients, 13107200 bytes came back unharmed".
"""

import argparse
import asyncio
import sys
import time

import real

PIECE = 8 * 1024


def pattern(number, size):
    """Bytes that tell to whom they belong, and where."""
    tag = f"client {number:06} ".encode()
    return b"".join(tag + f"byte {at:09}\n".encode() for at in range(0, size, 29))[:size]


class Load:
    def __init__(self, n, size):
        self.n, self.size = n, size
        self.connected = self.finished = self.n_bytes = 0
        self.all_here = asyncio.Event()

    async def visit(self, number, port):
        data = pattern(number, self.size)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.connected += 1
        if self.connected == self.n:
            self.all_here.set()
        await self.all_here.wait()
        for at in range(0, self.size, PIECE):
            piece = data[at:at + PIECE]
            writer.write(piece)
            await writer.drain()
            echoed = await reader.readexactly(len(piece))
            real.expect(echoed == piece, f"client {number} got other bytes than it had sent at {at}")
            self.n_bytes += len(piece)
        writer.write_eof()
        real.same(await reader.read(), b"", f"client {number} at the end")
        writer.close()
        await writer.wait_closed()
        self.finished += 1

    async def show(self):
        while True:
            await asyncio.sleep(0.25)
            print(f"{self.connected} connected, {self.finished} finished, {self.n_bytes} bytes came back", flush=True)

    async def run(self, port):
        showing = asyncio.create_task(self.show())
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.n):
                    group.create_task(self.visit(number, port))
        finally:
            showing.cancel()


def main():
    parser = argparse.ArgumentParser(description="many clients at once at an echo server")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--size", type=int, default=64 * 1024)
    parser.add_argument("server")
    options = parser.parse_args()
    real.allow_many_sockets()
    begin = time.monotonic()

    async def load(port):
        visitors = Load(options.clients, options.size)
        await visitors.run(port)
        return visitors.n_bytes

    problems = []
    try:
        with real.Server(options.server) as server:
            n_bytes = real.bounded(load(server.port))
            real.same(server.stop(), f"{options.clients} clients, {n_bytes} bytes\n", "what the server counted")
    except* (real.Failure, OSError, EOFError, TimeoutError) as group:
        problems = [str(error) or type(error).__name__ for error in group.exceptions]
    for problem in problems:
        print(f"echo_load: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(f"{options.clients} clients, {n_bytes} bytes came back unharmed, in {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
