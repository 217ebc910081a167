"""The marks of a writer: defaults, each alone, both, and those that cannot be (ST-12)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, run, say


async def reads_all(reader, writer):
    await reader.read()
    await hang_up(writer)


def tell(writer, what, **limits):
    try:
        writer.transport.set_write_buffer_limits(**limits)
        result = "allowed"
    except ValueError:
        result = "refused"
    low, high = writer.transport.get_write_buffer_limits()
    say(f"{what}: {result}, low {low}, high {high}")


async def main():
    async with await asyncio.start_server(reads_all, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        low, high = writer.transport.get_write_buffer_limits()
        say(f"at first: low {low}, high {high}")
        tell(writer, "high 1000", high=1000)
        tell(writer, "low 1000", low=1000)
        tell(writer, "both", high=20, low=10)
        tell(writer, "the same", high=10, low=10)
        tell(writer, "nothing", high=0)
        tell(writer, "low above high", high=10, low=11)
        tell(writer, "default")
        say(f"kept: {writer.transport.get_write_buffer_size()}")
        await hang_up(writer)


run(main())
