#!/usr/bin/python3
"""The echo server and the echo client beside real counterparts: Python's streams, nc, socat.

    test_echo.py ECHO_SERVER ECHO_CLIENT TWIN_OF_THE_SERVER
"""

import asyncio
import os
import socket
import struct
import subprocess
import sys

import echo_load
import real

SERVER, CLIENT, TWIN = sys.argv[1:4]


def many_python_clients():
    """A thousand connections at once, each with data of its own."""
    load(SERVER, 1000, 20_000)


def python_twin():
    """The same of the server in Python: what the driver asks for is what Python does."""
    load(TWIN, 100, 20_000)


def load(program, n, size):
    async def drive(port):
        visitors = echo_load.Load(n, size)
        await visitors.run(port)

    with real.Server(program) as server:
        real.bounded(drive(server.port))
        real.same(server.stop(), f"{n} clients, {n * size} bytes\n", "what the server counted")


def client_and_python_server():
    """Our client and a server of Python's streams, which answers after it has read everything."""
    seen = []

    async def answer(reader, writer):
        data = await reader.read()
        seen.append(data)
        writer.write(data.upper())
        writer.close()

    async def serve():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = str(server.sockets[0].getsockname()[1])
            for message in ("hello", "", "long " * 20_000):
                printed = await asyncio.to_thread(real.run, [*real.command_of(CLIENT), "127.0.0.1", port, message])
                real.same(printed.decode(), message.upper() + "\n", "what the client printed")
                real.same(seen.pop().decode(), message, "what the server read")

    real.bounded(serve())


def client_and_our_server():
    """Our client and our server, with names of hosts and addresses of both kinds."""
    for host in ("127.0.0.1", "localhost", "::1"):
        if host == "::1" and not has_ipv6():
            continue
        with real.Server(SERVER, host, "0") as server:
            printed = real.run([*real.command_of(CLIENT), host, str(server.port)])
            real.same(printed, b"Hello, world!\n", f"by {host}")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def netcat():
    """nc sends a megabyte, ends its half, and gets it back."""
    data = os.urandom(1_000_000)
    with real.Server(SERVER) as server:
        real.expect(real.run([real.tool("nc"), "-N", "127.0.0.1", str(server.port)], input=data) == data, "other bytes")


def socat():
    """socat by TCP, and by a Unix socket whose file is gone at the end."""
    data = os.urandom(1_000_000)
    with real.Server(SERVER) as server:
        echoed = real.run([real.tool("socat"), "-t10", "-", f"TCP:127.0.0.1:{server.port}"], input=data)
        real.expect(echoed == data, "other bytes by TCP")
    with real.directory() as folder:
        path = folder / "echo"
        with real.Server(SERVER, str(path)) as server:
            echoed = real.run([real.tool("socat"), "-t10", "-", f"UNIX-CONNECT:{path}"], input=data)
            real.expect(echoed == data, "other bytes by a Unix socket")
        real.expect(not path.exists(), "the socket's file is still there")


def socat_serves():
    """Our client and an echo server that is socat."""
    port = str(real.free_port())
    with subprocess.Popen([real.tool("socat"), f"TCP-LISTEN:{port},bind=127.0.0.1", "EXEC:cat"]) as process:
        try:
            wait_for_port(int(port))
            printed = real.run([*real.command_of(CLIENT), "127.0.0.1", port, "hello"])
            real.same(printed, b"hello\n", "what the client printed")
        finally:
            process.kill()


def wait_for_port(port):
    """Until somebody listens; a connection would be taken for the client's."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"

    async def look():
        while wanted not in open("/proc/net/tcp", encoding="ascii").read():
            await asyncio.sleep(0.02)

    real.bounded(look())


def interrupted():
    """Ctrl-C with clients connected: they get a second, then the server goes, and tells its counts."""
    async def stay(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"hello")
        await reader.readexactly(5)
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        real.same(await reader.read(), b"", "after the hello")
        real.same(await stopping, "1 clients, 5 bytes\n", "what the server printed")
        writer.close()

    with real.Server(SERVER) as server:
        real.bounded(stay(server))


def resets_and_silence():
    """Clients that reset, and clients that neither send nor read, harm nobody."""
    with real.Server(SERVER) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for _ in range(100):
            client = socket.create_connection(("127.0.0.1", server.port))
            client.sendall(b"x" * 10_000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        printed = real.run([*real.command_of(CLIENT), "127.0.0.1", str(server.port), "still there"])
        real.same(printed, b"still there\n", "an orderly client")
        for each in silent:
            each.close()


def misuse():
    """Wrong words get the usage, and a port that is taken is told with its address."""
    for command in ([SERVER, "a", "b", "c"], [SERVER, "127.0.0.1", "x"], [CLIENT], [CLIENT, "127.0.0.1", "1x"]):
        done = subprocess.run([*real.command_of(command[0]), *command[1:]], capture_output=True, text=True, timeout=60,
                              check=False)
        real.same((done.returncode, done.stderr[:6]), (2, "usage:"), f"{command[1:]}")
    with real.Server(SERVER) as server:
        done = subprocess.run([*real.command_of(SERVER), "127.0.0.1", str(server.port)], capture_output=True, text=True,
                              timeout=60, check=False, env=real.ENVIRONMENT)
        real.same(done.returncode, 1, "exit status")
        real.expect(f"127.0.0.1:{server.port}" in done.stderr and "in use" in done.stderr, done.stderr)


if __name__ == "__main__":
    sys.exit(real.main(many_python_clients, python_twin, client_and_python_server, client_and_our_server, netcat, socat,
                       socat_serves, interrupted, resets_and_silence, misuse))
