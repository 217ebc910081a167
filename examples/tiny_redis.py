"""A small server that redis-cli and redis-benchmark can talk to: texts by key, with a time to live.

    tiny_redis.py [HOST [PORT]]

A client may send many requests without waiting: while the reader still has complete ones, replies are collected.
"""

import asyncio
import sys

MOST_WORDS, LARGEST, FLUSH_AT = 64, 128 * 1024, 16 * 1024
store = {}  # key: [value, when it expires or None]


class ProtocolError(Exception):
    pass


class Stopped(Exception):
    """QUIT."""


def now():
    return asyncio.get_running_loop().time()


def find(key):
    item = store.get(key)
    if item and item[1] is not None and item[1] <= now():
        del store[key]
        return None
    return item


def number(word):
    try:
        return int(word)
    except ValueError:
        raise ValueError("value is not an integer or out of range") from None


def text(value):
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


def ping(*words):
    return text(words[0]) if words else b"+PONG\r\n"


def get(key):
    item = find(key)
    return text(item and item[0])


def set_value(key, value, *options):
    if options and (len(options) != 2 or options[0].upper() != b"EX"):
        raise ValueError("syntax error")
    if options and number(options[1]) <= 0:
        raise ValueError("invalid expire time in 'set' command")
    store[key] = [value, now() + number(options[1]) if options else None]
    return b"+OK\r\n"


def delete(*keys):
    return b":%d\r\n" % sum(store.pop(key, None) is not None for key in keys if find(key))


def incr(key):
    item = find(key) or store.setdefault(key, [b"0", None])
    item[0] = b"%d" % (number(item[0]) + 1)
    return b":%s\r\n" % item[0]


def expire(key, seconds):
    item = find(key)
    if item:
        item[1] = now() + number(seconds)
    return b":%d\r\n" % bool(item)


def ttl(key):
    item = find(key)
    if not item:
        return b":-2\r\n"
    return b":-1\r\n" if item[1] is None else b":%d\r\n" % round(item[1] - now())


def leave():
    raise Stopped


COMMANDS = {
    b"PING": ping, b"ECHO": text, b"GET": get, b"SET": set_value, b"DEL": delete, b"INCR": incr, b"EXPIRE": expire,
    b"TTL": ttl, b"QUIT": leave, b"COMMAND": lambda *words: b"*0\r\n",
    b"CONFIG": lambda action, name: b"*2\r\n" + text(name) + text(b""),
}


def run(words):
    try:
        return COMMANDS[words[0].upper()](*words[1:])
    except KeyError:
        return b"-ERR unknown command\r\n"
    except TypeError:
        return b"-ERR wrong number of arguments\r\n"
    except ValueError as error:
        return b"-ERR %s\r\n" % str(error).encode()


async def read_request(reader):
    """The words of a request: each with its size, or a line as people type it."""
    line = await reader.readuntil(b"\n")
    if line[:1] != b"*":
        return line.split()
    words = []
    if int(line[1:]) > MOST_WORDS:
        raise ProtocolError
    for _ in range(int(line[1:])):
        head = await reader.readuntil(b"\n")
        if head[:1] != b"$" or not 0 <= int(head[1:]) <= LARGEST:
            raise ProtocolError
        words.append((await reader.readexactly(int(head[1:]) + 2))[:-2])
    return words


async def serve_client(reader, writer):
    replies = bytearray()

    async def flush():
        writer.write(bytes(replies))
        replies.clear()
        await writer.drain()

    try:
        while True:
            request = asyncio.ensure_future(read_request(reader))
            await asyncio.sleep(0)
            if not request.done() or len(replies) > FLUSH_AT:
                await flush()  # the next request has not all come
            words = await request
            if words:
                replies += run(words)
    except Stopped:
        replies += b"+OK\r\n"
    except (ProtocolError, ValueError, asyncio.LimitOverrunError):
        replies += b"-ERR Protocol error\r\n"
    except (EOFError, ConnectionError):
        pass
    finally:
        writer.write(bytes(replies))
        writer.close()


async def sweep():
    """Those that expire are removed when somebody asks for them, and here when nobody does."""
    while True:
        await asyncio.sleep(0.1)
        for key in list(store):
            find(key)


async def serve(host, port):
    server = await asyncio.start_server(serve_client, host, port)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"serving on {host}:{port}", flush=True)
    try:
        await sweep()  # until Ctrl-C cancels it
    finally:
        server.close()


def main():
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = sys.argv[2] if len(sys.argv) > 2 else "6380"
    if len(sys.argv) > 3 or not port.isdigit():
        print("usage: tiny_redis.py [HOST [PORT]]", file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(host, int(port)))
    except OSError as error:
        print(f"tiny_redis: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
