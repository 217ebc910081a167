"""The writing end of a pipe: flow control, write_eof that closes once all is written, and who reads being gone (N-12,
TR-13)."""
# requires: 3.12

import asyncio
import os

from virtual_clock import Teller, quoted, run, tell

MUCH = 200 * 1000


async def opens(loop):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    transport, protocol = await loop.connect_write_pipe(lambda: Teller("writer"), os.fdopen(writing, "wb", 0))
    return reading, transport


async def reads_all(reading):
    size = 0
    while True:
        try:
            data = os.read(reading, 65536)
            size += len(data)
            if not data:
                return size
        except BlockingIOError:
            await asyncio.sleep(0)


async def writes_to_the_end(loop):
    reading, transport = await opens(loop)
    tell(f"connected, can write eof {transport.can_write_eof()}, marks {transport.get_write_buffer_limits()}")
    transport.write(b"hello")
    await asyncio.sleep(1)
    tell(f"kept {transport.get_write_buffer_size()}, arrived {quoted(os.read(reading, 100))}")
    transport.write(bytes(MUCH))
    tell(f"more is kept: {transport.get_write_buffer_size() > 65536}")
    transport.write_eof()
    tell(f"closing {transport.is_closing()}")
    transport.write(b"too late")
    transport.write_eof()
    transport.close()
    size = await reads_all(reading)
    await asyncio.sleep(1)
    tell(f"arrived: {size}")
    os.close(reading)


async def is_left(loop, with_data):
    reading, transport = await opens(loop)
    if with_data:
        transport.write(bytes(MUCH))
    await asyncio.sleep(1)
    os.close(reading)
    await asyncio.sleep(1)
    tell(f"closing {transport.is_closing()}, kept {transport.get_write_buffer_size()}")


async def aborts(loop):
    reading, transport = await opens(loop)
    transport.write(bytes(MUCH))
    transport.close()
    tell("closed")
    await asyncio.sleep(1)
    transport.abort()
    tell(f"aborted, kept {transport.get_write_buffer_size()}")
    await asyncio.sleep(1)
    os.close(reading)


async def main():
    loop = asyncio.get_running_loop()
    await writes_to_the_end(loop)
    await is_left(loop, False)
    await is_left(loop, True)
    await aborts(loop)


run(main())
