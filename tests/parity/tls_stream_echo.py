"""Streams with TLS: lines, masses, what was agreed on, and an end that is announced (ST-14, TL-03, TL-05, TL-07)."""

import asyncio
import zlib

from parity_tls import client_context, server_context
from virtual_clock import hang_up, outcome_of_read, port_of, run, say

MUCH = bytes(i * 7 % 251 for i in range(300_000))


async def echo(reader, writer):
    say(f"server: {writer.get_extra_info('ssl_object').version()}, half close {writer.can_write_eof()}")
    while data := await reader.read(10_000):
        writer.write(data)
        await writer.drain()
    say(f"server: the end, {reader.at_eof()}")
    await hang_up(writer)
    say("server: closed")


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server), ssl=client_context(),
                                                   server_hostname="localhost")
    subject = writer.get_extra_info("peercert")["subject"][0][0][1]
    say(f"client: {writer.get_extra_info('ssl_object').version()}, peer {subject}, "
        f"half close {writer.can_write_eof()}, marks {writer.transport.get_write_buffer_limits()}")
    await asyncio.sleep(1)
    writer.writelines([b"one\n", b"two\n", b"three\r\nrest"])
    for _ in range(2):
        say(f"line {await outcome_of_read(reader.readline())}")
    say(f"until {await outcome_of_read(reader.readuntil(b'e' + bytes([13, 10])))}")
    say(f"exactly {await outcome_of_read(reader.readexactly(4))}")
    writer.write(MUCH)
    await writer.drain()
    say(f"much {zlib.crc32(await reader.readexactly(len(MUCH))):08x}")
    await asyncio.sleep(1)
    await hang_up(writer)
    say(f"client: closed, {writer.is_closing()}, {await outcome_of_read(reader.read())}")
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
