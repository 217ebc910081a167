"""A client of Redis that sends its requests without waiting for the replies.

    redis_client.py HOST PORT                         a thousand SET, GET and INCR each
    redis_client.py HOST PORT COMMAND [ARGUMENT...]   one command of yours

One task sends, another reads the replies: a server that does not get rid of its replies stops reading.
"""

import asyncio
import sys

ROUNDS, DEEPEST, MOST_ITEMS, LONGEST_TEXT = 1000, 16, 65536, 16 * 1024 * 1024


class NotRedis(Exception):
    """The peer does not speak Redis' protocol."""


class ReplyError(str):
    """An error that the server replied."""


def size_of(text, most):
    size = int(text)
    if not -1 <= size <= most:
        raise NotRedis(f"a size of {size}")
    return size


async def read_reply(reader, depth=0):
    """A text, a ReplyError, a list, or None."""
    if depth >= DEEPEST:
        raise NotRedis("too deep")
    line = (await reader.readuntil(b"\r\n"))[:-2].decode()
    kind, rest = line[:1], line[1:]
    if kind == "_":
        return None
    if kind in set("+:,(#"):
        return rest
    if kind == "-":
        return ReplyError(rest)
    if kind in set("$=!"):
        size = size_of(rest, LONGEST_TEXT)
        if size < 0:
            return None
        text = (await reader.readexactly(size + 2))[:-2].decode(errors="surrogateescape")
        return ReplyError(text) if kind == "!" else text
    if kind in set("*~>%"):
        size = size_of(rest, MOST_ITEMS)
        n = size * (2 if kind == "%" else 1)
        return None if size < 0 else [await read_reply(reader, depth + 1) for _ in range(n)]
    raise NotRedis(line)


def print_reply(reply, depth=0):
    if isinstance(reply, list):
        print(f"{'  ' * depth}{len(reply)} items")
        for item in reply:
            print_reply(item, depth + 1)
    else:
        prefix = "error: " if isinstance(reply, ReplyError) else ""
        print(f"{'  ' * depth}{prefix}{'(nothing)' if reply is None else reply}")


def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def send_all(writer):
    for i in range(ROUNDS):
        key, value = b"key-%04d" % i, b"value-%04d" % i
        writer.write(request(b"SET", key, value) + request(b"GET", key) + request(b"INCR", b"counter"))
        await writer.drain()


async def read_all(reader):
    n_errors = 0
    for i in range(3 * ROUNDS):
        reply = await read_reply(reader)
        if not isinstance(reply, str) or isinstance(reply, ReplyError) or i % 3 == 1 and reply != f"value-{i // 3:04}":
            n_errors += 1
        if i >= 3 * ROUNDS - 3:
            print(("SET", "GET", "INCR")[i % 3], end=": ")
            print_reply(reply)
    print(f"{3 * ROUNDS} replies, {n_errors} of them wrong")


async def amain(host, port, words):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        if words:
            writer.write(request(*(word.encode() for word in words)))
            print_reply(await read_reply(reader))
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(send_all(writer))
                await read_all(reader)
    finally:
        writer.close()


def main():
    if len(sys.argv) < 3:
        print("usage: redis_client.py HOST PORT [COMMAND [ARGUMENT...]]", file=sys.stderr)
        return 2
    failed = False
    try:
        asyncio.run(amain(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
    except* (OSError, EOFError, ValueError, NotRedis) as group:
        print(f"redis_client: {group.exceptions[0]}", file=sys.stderr)
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
