"""close_clients() closes the connections of those who are there, after what was written to them (SV-05)."""
# requires: 3.13

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


lines = []


async def serves(reader, writer):
    line = await reader.readline()
    writer.write(b"hello, " + line)
    lines.append(await reader.readline())
    await hang_up(writer)


async def visits(server, name):
    reader, writer = await connect(server)
    writer.write(name + b"\n")
    answer = await reader.read()
    say(f"{name.decode()} is answered: {quoted(answer)}")
    await hang_up(writer)


async def main():
    server = await asyncio.start_server(serves, "127.0.0.1", 0)
    server.close_clients()
    visitor = asyncio.create_task(visits(server, b"first"))
    await asyncio.sleep(1)
    say(f"done {visitor.done()}")
    server.close_clients()
    await asyncio.sleep(1)
    say(f"done {visitor.done()}, serving {server.is_serving()}")
    visitor = asyncio.create_task(visits(server, b"second"))
    await asyncio.sleep(1)
    say(f"done {visitor.done()}")
    server.close()
    server.close_clients()
    await server.wait_closed()
    await visitor
    say(f"the server's next lines: {quoted(lines[0])}, {quoted(lines[1])}")


run(main())
