"""The reading end of a pipe: what the protocol is told until the end, paused meanwhile, and when it is closed early
(N-12, TR-13)."""
# requires: 3.12

import asyncio
import os

from virtual_clock import Teller, run, tell


async def reads_to_the_end(loop):
    reading, writing = os.pipe()
    os.write(writing, b"early")
    transport, protocol = await loop.connect_read_pipe(
        lambda: Teller("reader", stays=True), os.fdopen(reading, "rb", 0))
    tell(f"connected, {protocol.transport is transport}, reading {transport.is_reading()}")
    await asyncio.sleep(1)
    os.write(writing, b"late")
    await asyncio.sleep(1)
    transport.pause_reading()
    transport.pause_reading()
    os.write(writing, b"paused")
    await asyncio.sleep(1)
    tell(f"on, reading {transport.is_reading()}")
    transport.resume_reading()
    transport.resume_reading()
    await asyncio.sleep(1)
    os.write(writing, b"last")
    os.close(writing)
    await asyncio.sleep(1)
    tell(f"closing {transport.is_closing()}, reading {transport.is_reading()}")


async def closes_early(loop, how):
    reading, writing = os.pipe()
    os.write(writing, b"never read")
    transport, protocol = await loop.connect_read_pipe(
        lambda: Teller("reader", made=lambda protocol: getattr(protocol.transport, how)()), os.fdopen(reading, "rb", 0))
    await asyncio.sleep(1)
    tell(f"{how}: closing {transport.is_closing()}")
    os.close(writing)


async def main():
    loop = asyncio.get_running_loop()
    await reads_to_the_end(loop)
    await closes_early(loop, "close")


run(main())
