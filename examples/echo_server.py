"""Sends back to its clients what they send, until they end.

    echo_server.py [HOST [PORT]]      port 0 takes one that is free
    echo_server.py PATH               a Unix socket; a path has a '/' in it

Ctrl-C ends it: clients get a second to finish.
"""

import asyncio
import sys

n_clients = n_bytes = 0
handlers = set()


async def echo(reader, writer):
    """Serves a client."""
    global n_clients, n_bytes
    handlers.add(asyncio.current_task())
    n_clients += 1
    try:
        while data := await reader.read(16 * 1024):
            writer.write(data)
            await writer.drain()  # waits while the client does not read
            n_bytes += len(data)
    except ConnectionError:
        pass  # clients come and go as they like; that is no error of the server
    finally:
        handlers.discard(asyncio.current_task())
        writer.close()


async def serve(host, port):
    if "/" in host:
        server = await asyncio.start_unix_server(echo, host)
        name = host
    else:
        server = await asyncio.start_server(echo, host, port)
        name = "{}:{}".format(*server.sockets[0].getsockname())
    print(f"serving on {name}", flush=True)
    try:
        await asyncio.Event().wait()  # Ctrl-C cancels it
    finally:
        server.close()
        if handlers:
            await asyncio.wait(handlers, timeout=1)
        for handler in handlers:
            handler.cancel()


def main():
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = sys.argv[2] if len(sys.argv) > 2 else "8888"
    if len(sys.argv) > 3 or not port.isdigit():
        print("usage: echo_server.py [HOST [PORT] | PATH]", file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(host, int(port)))
    except OSError as error:
        print(f"echo_server: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{n_clients} clients, {n_bytes} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
