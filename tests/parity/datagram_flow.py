"""Flow control of datagrams: paused when more than the high mark is kept, resumed when that is sent
(TR-04, TR-11)."""
# requires: 3.13

import asyncio
import socket

from virtual_clock import run, tell, unix_path

SIZE = 1000
COUNT = 2000


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        tell("connection_made()")

    def connection_lost(self, error):
        tell(f"connection_lost({error})")

    def pause_writing(self):
        tell("pause_writing()")

    def resume_writing(self):
        tell("resume_writing()")


def takes_all(sock):
    count = 0
    while True:
        try:
            count += len(sock.recv(2 * SIZE)) == SIZE
        except BlockingIOError:
            return count


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("datagrams")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(path)
    transport, protocol = await loop.create_datagram_endpoint(Datagrams, remote_addr=path, family=socket.AF_UNIX)
    tell(f"marks: {transport.get_write_buffer_limits()}")
    transport.sendto(bytes(SIZE))
    tell(f"kept: {transport.get_write_buffer_size()}, arrived: {takes_all(sock)}")
    for _ in range(COUNT):
        transport.sendto(bytes(SIZE))
    tell(f"more is kept: {transport.get_write_buffer_size() > 65536}")
    count = 0
    while count < COUNT:
        count += takes_all(sock)
        await asyncio.sleep(0)
    await asyncio.sleep(1)
    tell(f"arrived: {count}")
    sock.close()
    transport.close()
    await asyncio.sleep(1)


run(main())
