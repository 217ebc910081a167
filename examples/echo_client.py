"""Sends a message to an echo server, and prints what comes back.

    echo_client.py HOST PORT [MESSAGE]
"""

import asyncio
import sys


async def converse(reader, writer, message):
    # What the server does not take at once is kept, so that we can read meanwhile: it may send before it has all.
    writer.write(message.encode())
    writer.write_eof()
    while data := await reader.read(4096):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.write(b"\n")


async def amain(host, port, message):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        await converse(reader, writer, message)
    finally:
        writer.close()


def main():
    if len(sys.argv) not in (3, 4) or not sys.argv[2].isdigit():
        print("usage: echo_client.py HOST PORT [MESSAGE]", file=sys.stderr)
        return 2
    message = sys.argv[3] if len(sys.argv) > 3 else "Hello, world!"
    try:
        asyncio.run(amain(sys.argv[1], int(sys.argv[2]), message))
    except OSError as error:
        print(f"echo_client: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
