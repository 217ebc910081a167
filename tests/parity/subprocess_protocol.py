"""Processes by protocols: what is told in which order, and what the transport can do (SP-06). The ends of the pipes and
the exit come in any order, so they are told together."""
# requires: 3.12

import asyncio
from asyncio.subprocess import DEVNULL

from virtual_clock import quoted


class Told(asyncio.SubprocessProtocol):
    def __init__(self):
        self.data = {1: b"", 2: b""}
        self.between = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        print(f"made, {[bool(transport.get_pipe_transport(fd)) for fd in range(3)]}")

    def pipe_data_received(self, fd, data):
        self.data[fd] += data

    def pipe_connection_lost(self, fd, error):
        self.between.append(f"pipe {fd}: {error}")

    def process_exited(self):
        self.between.append(f"exited: {self.transport.get_returncode()}")

    def connection_lost(self, error):
        print(f"said {quoted(self.data[1])} and {quoted(self.data[2])}")
        print("; ".join(sorted(self.between)))
        print(f"lost, {error}, {self.transport.get_returncode()}")
        self.lost.set_result(None)


async def starts(command, **pipes):
    loop = asyncio.get_running_loop()
    return await loop.subprocess_shell(Told, command, **pipes)


async def main():
    transport, protocol = await starts("cat; echo err >&2; exit 7")
    transport.get_pipe_transport(0).write(b"hello\n")
    transport.get_pipe_transport(0).close()
    await protocol.lost

    print("dies at once")
    transport, protocol = await starts("exit 3", stdin=DEVNULL)
    await protocol.lost

    print("is closed")
    transport, protocol = await starts("exec cat")
    transport.close()
    print(f"closing {transport.is_closing()}")
    await protocol.lost

    print("is terminated")
    transport, protocol = await starts("exec cat")
    transport.terminate()
    await protocol.lost

    print("has no pipe")
    transport, protocol = await starts("exit 1", stdin=DEVNULL, stdout=DEVNULL, stderr=None)
    await protocol.lost


asyncio.run(main())
