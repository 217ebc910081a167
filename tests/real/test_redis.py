#!/usr/bin/python3
"""The Redis client with Debian's redis-server; the small server with redis-cli, redis-benchmark and hostile clients.

    test_redis.py REDIS_CLIENT TINY_REDIS TWIN_OF_THE_CLIENT TWIN_OF_THE_SERVER
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time

import real

CLIENT, SERVER, CLIENT_TWIN, SERVER_TWIN = sys.argv[1:5]


# ----------------------------------------------------------------------------------------------------- The client


@contextlib.contextmanager
def redis_server():
    """Debian's, without persistence, on a port of its own. Gives the port.

    The server is one program with redis-check-rdb, which package redis-tools has; what package redis-server adds is a
    service of the machine's, which a test must not start.
    """
    with real.directory() as folder:
        port = str(real.free_port())
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--dir", str(folder)]
        with subprocess.Popen(command, executable=real.tool("redis-check-rdb"), stdout=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL) as process:
            try:
                deadline = time.monotonic() + 20
                while subprocess.run([real.tool("redis-cli"), "-p", port, "ping"], capture_output=True,
                                     check=False).stdout != b"PONG\n":
                    real.expect(time.monotonic() < deadline and process.poll() is None, "redis-server does not answer")
                    time.sleep(0.02)
                yield port
            finally:
                process.terminate()


def ask(program, port, *words, host="127.0.0.1"):
    return real.run([*real.command_of(program), host, port, *words]).decode()


def pipelined():
    """Three thousand requests are sent without waiting for replies; a second run goes on counting."""
    with redis_server() as port:
        for program, count in ((CLIENT, 1000), (CLIENT, 2000), (CLIENT_TWIN, 3000)):
            printed = ask(program, port)
            real.same(printed, f"SET: OK\nGET: value-0999\nINCR: {count}\n3000 replies, 0 of them wrong\n", "printed")
        real.same(ask(CLIENT, port, "INCR", "counter"), "3001\n", "the counter")


def kinds_of_replies():
    """All that a redis-server replies with, as the twin in Python prints it."""
    nested = "return {1, 'two', {3, {4, {5}}}, false, {}, redis.status_reply('six')}"
    newer = "redis.setresp(3); return {{map={a=1, b=2}}, {set={x=true}}, {double=1.5}, true, false}"
    with redis_server() as port:
        requests = (
            ["PING"], ["ECHO", ""], ["ECHO", "two\r\nlines"], ["GET", "nothing"], ["NONSENSE"], ["LLEN", "l"],
            ["LRANGE", "l", "0", "-1"], ["LRANGE", "nothing", "0", "-1"], ["BLPOP", "nothing", "0.01"],
            ["EVAL", nested, "0"], ["EVAL", newer, "0"], ["HELLO", "3"], ["SET", "big", "x" * 100_000], ["GET", "big"],
        )
        ask(CLIENT, port, "RPUSH", "l", "a", "b")
        for request in requests:
            seen, wanted = ask(CLIENT, port, *request), ask(CLIENT_TWIN, port, *request)
            if request[0] == "HELLO":  # the number of the connection is in it
                seen, wanted = (re.sub(r"\d+", "0", text) for text in (seen, wanted))
            real.same(seen, wanted, f"reply to {request[0]}")
        real.same(ask(CLIENT, port, "EVAL", "return {1, {'x', false}}", "0"), "2 items\n  1\n  2 items\n    x\n    "
                  "(nothing)\n", "a list in a list")


def hostile_servers():
    """Replies that are no replies end the client with an error; none makes it allocate what is only announced."""
    wrong = (b"nonsense\r\n", b"\r\n", b"*1\r\n" * 100, b"*1000000000\r\n", b"$1000000000\r\n", b"$-2\r\n", b"$x\r\n",
             b"$3\r\nabcdef", b"$3\r\nab", b"%99999999999999999999\r\n", b"+" + b"x" * 100_000, b"", b"*2\r\n:1\r\n",
             b"*1000000\r\n" + b"*1000000\r\n" * 20)
    fine = {b"_\r\n": "(nothing)\n", b"#t\r\n": "t\n", b",1.5\r\n": "1.5\n", b"(123456789012345678901\r\n":
            "123456789012345678901\n", b"!5\r\nERR x\r\n": "error: ERR x\n", b"=7\r\ntxt:abc\r\n": "txt:abc\n",
            b"~1\r\n:7\r\n": "1 items\n  7\n", b"%1\r\n+a\r\n:1\r\n": "2 items\n  a\n  1\n", b">0\r\n": "0 items\n",
            b"*-1\r\n": "(nothing)\n", b"*1\r\n$0\r\n\r\n": "1 items\n  \n"}

    def reply_with(listener, answers):
        for answer in answers:
            client, _ = listener.accept()
            client.recv(1000)
            client.sendall(answer)
            client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        thread = threading.Thread(target=reply_with, args=(listener, [*wrong, *fine]), daemon=True)
        thread.start()
        for answer in wrong:
            done = subprocess.run([*real.command_of(CLIENT), "127.0.0.1", port, "PING"], capture_output=True, text=True,
                                  timeout=60, check=False, env=real.ENVIRONMENT)
            real.expect(done.returncode == 1 and done.stderr.startswith("redis_client: ") and not done.stdout,
                        f"{answer[:40]!r} gave {done.returncode} {done.stdout[:100]!r} {done.stderr[:300]!r}")
        for answer, wanted in fine.items():
            real.same(ask(CLIENT, port, "PING"), wanted, f"what {answer!r} is printed as")


# ----------------------------------------------------------------------------------------------------- The server


def cli(server, *words):
    return real.run([real.tool("redis-cli"), "-p", str(server.port), *words]).decode().rstrip("\n")


def by_redis_cli():
    """Each command as redis-cli sees it, of our server and of its twin in Python."""
    steps = (
        ("PING", "PONG"), ("PING hello", "hello"), ("ECHO hello", "hello"), ("GET a", ""), ("SET a 1", "OK"),
        ("GET a", "1"), ("INCR a", "2"), ("INCR new", "1"), ("TTL a", "-1"), ("TTL nothing", "-2"),
        ("EXPIRE a 100", "1"), ("EXPIRE nothing 100", "0"), ("TTL a", "100"), ("INCR a", "3"), ("TTL a", "100"),
        ("SET a x EX 50", "OK"), ("TTL a", "50"), ("SET a y", "OK"), ("TTL a", "-1"),
        ("INCR a", "ERR value is not an integer or out of range"),
        ("SET a 1 EX x", "ERR value is not an integer or out of range"), ("SET a 1 EX", "ERR syntax error"),
        ("SET a 1 EX 0", "ERR invalid expire time in 'set' command"), ("DEL a new nothing", "2"), ("GET a", ""),
        ("GET", "ERR wrong number of arguments"), ("NONSENSE 1 2 3", "ERR unknown command"), ("get a", ""),
    )
    for program in (SERVER, SERVER_TWIN):
        with real.Server(program) as server:
            for request, wanted in steps:
                seen = cli(server, *request.split())
                if wanted in ("100", "50"):  # seconds that are left, on a machine that may be slow
                    real.expect(int(wanted) - 5 <= int(seen) <= int(wanted), f"{server.name}: {request}: {seen}")
                else:
                    real.same(seen, wanted, f"{server.name}: {request}")
            binary = bytes(range(256))
            real.run([real.tool("redis-cli"), "-p", str(server.port), "-x", "SET", "binary"], input=binary)
            real.same(real.run([real.tool("redis-cli"), "-p", str(server.port), "GET", "binary"]), binary + b"\n",
                      f"{server.name}: all bytes")


def by_redis_benchmark():
    """Fifty connections, with requests one by one and sixteen at a time."""
    for pipeline, n in ((1, 5_000), (16, 40_000)):
        with real.Server(SERVER) as server:
            printed = real.run([real.tool("redis-benchmark"), "-p", str(server.port), "-t", "ping,get,set,incr", "-n",
                                str(n), "-c", "50", "-P", str(pipeline), "-q"]).decode()
            done = re.findall(r"^(\w+): ([\d.]+) requests per second", printed.replace("\r", "\n"), re.MULTILINE)
            # The first PING is inline, the second is not.
            real.same([name for name, _ in done], ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"], "benchmarks")
            real.same(cli(server, "GET", "counter:__rand_int__"), str(n), "the counter of INCR")
            real.expect(int(server.stop().split(" clients, ")[1].split()[0]) > 5 * n, "too few requests were counted")


def by_our_client():
    """Both ends are ours, and both twins."""
    for server_program in (SERVER, SERVER_TWIN):
        for client in (CLIENT, CLIENT_TWIN):
            with real.Server(server_program) as server:
                printed = ask(client, str(server.port))
                real.expect(printed.endswith("3000 replies, 0 of them wrong\n"), printed)


def connect(server):
    client = socket.create_connection(("127.0.0.1", server.port))
    client.settimeout(30)
    return client


def exchange(client, request, reply):
    """Sends, and reads as much as is wanted."""
    client.sendall(request)
    seen = b""
    while len(seen) < len(reply) and (piece := client.recv(len(reply) - len(seen))):
        seen += piece
    real.same(seen, reply, f"reply to {request[:60]!r}")


def read_all(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def batches():
    """A batch comes back in one piece; requests in pieces, and lines that people type, are understood too."""
    with real.Server(SERVER) as server:
        client = connect(server)
        client.sendall(b"PING\r\n" * 200)
        real.same(client.recv(65536), b"+PONG\r\n" * 200, "two hundred replies at once")
        *request, last = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n\r\n\0x\r\n"
        for byte in request:
            client.sendall(bytes([byte]))
        exchange(client, bytes([last]), b"+OK\r\n")
        client.sendall(b"  get   a \r\n\r\n\n*0\r\n*1\r\n$4\r\nPING\r\nQUIT\r\nPING\r\n")
        real.same(read_all(client), b"$4\r\n\r\n\0x\r\n+PONG\r\n+OK\r\n", "lines")


def much_at_once():
    """A client that sends far more than it reads gets every reply once it reads, and delays nobody meanwhile."""
    with real.Server(SERVER) as server:
        cli(server, "SET", "big", "x" * 10_000)
        client = connect(server)
        client.setblocking(False)
        n_sent, request = 0, b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n"
        data = request * 1000
        with contextlib.suppress(BlockingIOError):
            while n_sent < 500_000_000:
                n_sent += client.send(data[n_sent % len(request):])
        real.same(cli(server, "PING"), "PONG", "another client meanwhile")
        client.setblocking(True)
        client.shutdown(socket.SHUT_WR)
        n_read = 0
        while piece := client.recv(1 << 20):
            n_read += len(piece)
        real.same(n_read, n_sent // len(request) * len(b"$10000\r\n" + b"x" * 10_000 + b"\r\n"), "bytes of replies")


def memory_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def hostile_clients():
    """What is too large, or no request at all, is an error of that client only; memory stays bounded."""
    wrong = (b"*65\r\n", b"*x\r\n", b"*1\r\n$131073\r\n", b"*1\r\n$-1\r\n", b"*1\r\n:1\r\n", b"*" + b"1" * 40,
             b"x" * 300_000, b"*2\r\n" + b"$131000\r\n" + b"x" * 131_000 + b"\r\n$131000\r\n" + b"x" * 131_000,
             b"a " * 65 + b"\r\n", b"*9999999999999999999999\r\n")
    with real.Server(SERVER) as server:
        for data in wrong:
            client = connect(server)
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
                real.expect(read_all(client).startswith(b"-ERR Protocol error"), f"no error for {data[:30]!r}")
            client.close()
        before = memory_kib(server)
        client = connect(server)
        replies = b""
        for number in range(1500):
            client.sendall(b"*3\r\n$3\r\nSET\r\n$8\r\nkey-%04d\r\n$100000\r\n%s\r\n" % (number, b"x" * 100_000))
            replies = client.recv(1000)
        real.expect(replies.startswith(b"-OOM "), f"the last reply was {replies!r}")
        grown = memory_kib(server) - before
        real.expect(60_000 < grown < 100_000 or "ASAN_OPTIONS" in os.environ, f"grown by {grown} KiB")
        exchange(client, b"DEL key-0000 key-0001\r\nSET x y\r\n", b":2\r\n+OK\r\n")
        client.close()


def expiry():
    """Keys with a time to live go when it is over, whether somebody asks for them or not."""
    with real.Server(SERVER) as server:
        client = connect(server)
        for number in range(300):
            exchange(client, b"SET key-%d %s EX 2\r\n" % (number, b"x" * 10_000), b"+OK\r\n")
        exchange(client, b"SET long x EX 100\r\n", b"+OK\r\n")
        deadline = time.monotonic() + 20
        reply = b""
        while reply != b":-2\r\n":
            real.expect(time.monotonic() < deadline, f"a time to live of {reply!r}, 20 s later")
            time.sleep(0.1)
            client.sendall(b"TTL key-299\r\n")
            reply = client.recv(100)
        exchange(client, b"GET key-0\r\nTTL key-1\r\nINCR key-2\r\nTTL key-2\r\nGET long\r\n",
                 b"$-1\r\n:-2\r\n:1\r\n:-1\r\n$1\r\nx\r\n")

        # The store is full of what nobody will ask for again; when its time is over there is room.
        for number in range(800):
            client.sendall(b"*5\r\n$3\r\nSET\r\n$8\r\ngone-%03d\r\n$100000\r\n%s\r\n$2\r\nEX\r\n$1\r\n2\r\n"
                           % (number, b"x" * 100_000))
            reply = client.recv(1000)
        while not reply.startswith(b"+OK"):
            real.expect(time.monotonic() < deadline + 20, f"still {reply!r}")
            time.sleep(0.1)
            client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$100000\r\n" + b"x" * 100_000 + b"\r\n")
            reply = client.recv(1000)
        client.close()


if __name__ == "__main__":
    sys.exit(real.main(pipelined, kinds_of_replies, hostile_servers, by_redis_cli, by_redis_benchmark, by_our_client,
                       batches, much_at_once, hostile_clients, expiry))
