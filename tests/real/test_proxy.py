#!/usr/bin/python3
"""The proxy between real counterparts: wrk, nc and Python's sockets before it, nginx, an echo server and sockets that
misbehave behind it.

    test_proxy.py PROXY ECHO_SERVER TWIN [tls]      "tls": the proxy was built with it
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import certificates
import echo_load
import nginx
import real

PROXY, ECHO, TWIN = sys.argv[1:4]
LINE = re.compile(r"connections: (\d+) accepted, (\d+) open, (\d+) done, (\d+) idle, (\d+) broken, (\d+) unreachable, "
                  r"(\d+) stopped; bytes: (\d+) up, (\d+) down\n")
NAMES = "accepted", "open", "done", "idle", "broken", "unreachable", "stopped", "up", "down"


class Proxy(real.Server):
    """The proxy before a port of this machine. `complaint` is a text that has to stand in what it complains of; None:
    it may complain."""

    def __init__(self, target_port, *options, program=PROXY):
        super().__init__(program, *options, "127.0.0.1", "0", "127.0.0.1", str(target_port))
        self.complaint = ""

    def __enter__(self):
        super().__enter__()
        self.files = self.n_files()
        return self

    def n_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def signal(self, number):
        self.process.send_signal(number)

    def counters(self):
        self.signal(signal.SIGUSR1)
        return counters_of(self.process.stdout.readline())

    def settle(self, **wanted):
        """Waits until the counters are these, no connection is open, and nothing is left of any."""
        wanted = {"open": 0, **wanted}
        end = time.monotonic() + 20
        seen = None
        while time.monotonic() < end:
            seen = self.counters()
            if all(seen[name] == value for name, value in wanted.items()) and self.n_files() == self.files:
                return seen
            time.sleep(0.02)
        raise real.Failure(f"{seen} and {self.n_files() - self.files} files more, instead of {wanted}")

    def end(self, seconds=20):
        """Waits for its end. Returns: the last counters."""
        try:
            output, complaint = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise real.Failure(f"still there after {seconds} s: {self.process.communicate()}") from error
        real.same(self.process.returncode, 0, f"how it ended, with {complaint!r}")
        if self.complaint is not None:
            real.expect(self.complaint in complaint and bool(self.complaint) == bool(complaint),
                        f"complained of {complaint!r} instead of {self.complaint!r}")
        return counters_of(output.splitlines(keepends=True)[-1])

    def stop(self, seconds=20):
        self.signal(signal.SIGTERM)
        return self.end(seconds)


def counters_of(line):
    match = LINE.fullmatch(line)
    real.expect(match, f"no counters: {line!r}")
    return dict(zip(NAMES, map(int, match.groups())))


def connect(port, receive_buffer=None):
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    return client


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection):
    """Until its end. Returns: the bytes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def ended(connection, by_reset):
    """The peer has ended the connection, in order or by a reset."""
    try:
        data = read_all(connection)
    except ConnectionResetError:
        real.expect(by_reset, "a reset instead of an end")
    else:
        real.expect(not by_reset, f"an end, after {len(data)} bytes, instead of a reset")
    connection.close()


def turned_away(port):
    """Whoever connects is reset: afterwards, or so soon that connecting says so itself."""
    with contextlib.suppress(ConnectionResetError):
        ended(connect(port), by_reset=True)


@contextlib.contextmanager
def target(serve):
    """A target that is a function, called with each connection in a thread of its own."""
    failures = []

    def guarded(connection):
        try:
            with connection:
                connection.settimeout(20)
                serve(connection)
        except Exception as error:
            failures.append(f"the target: {error!r}")

    def accept():
        threads = []
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                threads.append(threading.Thread(target=guarded, args=(listener.accept()[0],)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
    real.expect(not failures, "\n".join(failures))


def echo(connection):
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            connection.sendall(data)


def shout(connection):
    """Answers when the client has ended, then ends."""
    connection.sendall(read_all(connection).upper())


# --------------------------------------------------------------------------------------------------------- HTTP by wrk

FILES = {"small": 612, "middle": 100_000, "large": 8_000_000}


@contextlib.contextmanager
def web():
    """nginx with files of some sizes. Yields its port and what they hold."""
    with real.directory() as folder:
        server = nginx.Nginx(folder)
        contents = {name: os.urandom(size) for name, size in FILES.items()}
        for name, data in contents.items():
            (server.root / name).write_bytes(data)
        with server:
            yield server.port, contents


def wrk(port, name, connections, seconds, *options, scheme="http"):
    """Returns: how many requests were answered. Any that was not, or not in order, is a failure."""
    printed = real.run([real.tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=20s", *options,
                        f"{scheme}://127.0.0.1:{port}/{name}"]).decode()
    real.expect("Socket errors" not in printed and "Non-2xx" not in printed, printed)
    return int(re.search(r"(\d+) requests in", printed)[1])


def wrk_to_nginx():
    """Small, middling and large answers, over many connections and over few: none is broken, none is missing."""
    with web() as (port, _), Proxy(port) as proxy:
        accepted = 0
        for name, connections in (("small", 200), ("middle", 50), ("large", 4)):
            n = wrk(proxy.port, name, connections, 1)
            accepted += connections
            counters = proxy.settle()
            real.expect(counters["accepted"] >= accepted, f"{counters} after {accepted} connections")
            real.expect(counters["down"] >= n * FILES[name], f"{n} answers, and {counters}")
            real.same((counters["idle"], counters["unreachable"], counters["stopped"]), (0, 0, 0), "other ends")


def connections_that_end():
    """A connection for each request."""
    with web() as (port, _), Proxy(port) as proxy:
        n = wrk(proxy.port, "small", 50, 1, "-H", "Connection: close")
        counters = proxy.settle()
        real.expect(counters["done"] + 50 >= n, f"{n} answers, and {counters}")


def whole_answers(port, contents, stopped, counts):
    """A client that asks, on a connection each, until it is turned away. No answer is cut short."""
    while True:
        try:
            client = connect(port)
        except ConnectionRefusedError:
            return
        with client:
            answer = b""
            try:
                client.sendall(b"GET /middle HTTP/1.0\r\n\r\n")
                answer = read_all(client)
            except ConnectionError:
                pass
            if not answer:
                # It was still waiting to be accepted when the proxy stopped.
                real.expect(stopped.is_set(), "no answer")
                return
            real.expect(answer.endswith(b"\r\n\r\n" + contents["middle"]), f"a broken answer of {len(answer)} bytes")
            counts.append(len(answer))


def stop_under_load():
    """Whoever was accepted when the proxy was told to stop gets a whole answer, also who is slow; nobody is accepted
    any more; a connection that does not end is aborted at the deadline."""
    with web() as (port, contents), Proxy(port, "--grace=4") as proxy:
        stopped, counts, failures = threading.Event(), [], []

        def ask():
            try:
                whole_answers(proxy.port, contents, stopped, counts)
            except Exception as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        slow, idle = connect(proxy.port, 65536), connect(proxy.port)
        slow.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        answer = slow.recv(1)
        while len(counts) < 100:
            time.sleep(0.01)
        begin = time.monotonic()
        stopped.set()
        proxy.signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        real.expect(not failures, "\n".join(failures))
        answer += read_all(slow)
        real.expect(answer.endswith(b"\r\n\r\n" + contents["large"]), f"the slow one had {len(answer)} bytes")
        slow.close()
        ended(idle, by_reset=True)
        counters = proxy.end()
        real.expect(4 <= time.monotonic() - begin < 15, f"it took {time.monotonic() - begin} s")
        real.same((counters["open"], counters["stopped"], counters["broken"]), (0, 1, 0), "open, stopped, broken")


def stop_wrk():
    """With keep-alive there is no good moment to end: the deadline ends all, and soon."""
    with web() as (port, _), Proxy(port, "--grace=0.5") as proxy:
        with subprocess.Popen([real.tool("wrk"), "-t1", "-c100", "-d2s", f"http://127.0.0.1:{proxy.port}/small"],
                              stdout=subprocess.DEVNULL) as driver:
            time.sleep(0.5)
            begin = time.monotonic()
            counters = proxy.stop()
            real.expect(0.5 <= time.monotonic() - begin < 5, f"it took {time.monotonic() - begin} s")
            # One more than asked for: wrk looks first whether anybody is there.
            real.same((counters["open"], counters["accepted"], counters["stopped"]), (0, 101, 100), "the counters")
            driver.wait()


def stop_at_once():
    """A second signal does not wait for the grace that is left; Ctrl-C does as SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with target(echo) as port, Proxy(port, "--grace=60") as proxy:
            client = connect(proxy.port)
            client.sendall(b"hello")
            real.same(client.recv(5), b"hello", "the echo")
            proxy.signal(number)
            time.sleep(0.2)
            client.sendall(b"again")
            real.same(client.recv(5), b"again", "the echo in the time of grace")
            proxy.signal(number)
            counters = proxy.end(5)
            real.same((counters["stopped"], counters["up"], counters["down"]), (1, 10, 10), "stopped, up, down")
            ended(client, by_reset=True)


# ----------------------------------------------------------------------------------------------------------- Half close

def half_close_by_nc(program=PROXY):
    """nc ends its half, and then gets the answer of a target that waits for that end."""
    data = os.urandom(300_000).hex().encode()
    with target(shout) as port, Proxy(port, program=program) as proxy:
        answer = real.run([real.tool("nc"), "-N", "127.0.0.1", str(proxy.port)], input=data)
        real.expect(answer == data.upper(), f"{len(answer)} bytes that are not the answer")
        proxy.settle(done=1, up=len(data), down=len(data))


def half_close_by_the_target():
    """A target that ends its half first still gets what the client says afterwards."""
    heard = []

    def talk(connection):
        connection.sendall(b"now you")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    with target(talk) as port, Proxy(port) as proxy:
        with connect(proxy.port) as client:
            real.same(read_all(client), b"now you", "what the client heard")
            client.sendall(b"x" * 500_000)
        proxy.settle(done=1, up=500_000, down=7)
    real.same(len(heard[0]), 500_000, "bytes that the target heard after its end")


def last_words(program=PROXY):
    """A target that has heard enough says why, at some length, and hangs up: a client that first goes on sending and
    listens afterwards hears all of it."""
    words = b"no more, " * 50_000

    def turn_away(connection):
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.3)

    with target(turn_away) as port, Proxy(port, program=program) as proxy:
        with connect(proxy.port, 4096) as client:
            for _ in range(8):
                client.sendall(b"x" * 10_000)
                time.sleep(0.1)
            heard = read_all(client)
            real.expect(heard == words, f"{len(heard)} bytes of {len(words)}")
        proxy.settle(broken=1)


def stop_with_a_slow_target():
    """What a client that has gone had sent still arrives when the proxy is told to stop meanwhile."""
    size, heard = 6_000_000, []

    def listen(connection):
        connection.sendall(b"I listen")
        connection.shutdown(socket.SHUT_WR)
        heard.append(0)
        while data := connection.recv(65536):
            heard[0] += len(data)
            time.sleep(0.005)

    with target(listen) as port, Proxy(port) as proxy:
        with connect(proxy.port) as client:
            real.same(read_all(client), b"I listen", "what the client heard")
            sender = threading.Thread(target=client.sendall, args=(b"x" * size,))
            sender.start()
            proxy.signal(signal.SIGTERM)
            sender.join()
        real.same(proxy.end()["done"], 1, "done")
    real.same(heard, [size], "bytes that arrived")


# ---------------------------------------------------------------------------------------------------------------- Peers

def idle(program=PROXY):
    """Who is silent is closed, who says something now and then is not; nor is who only listens to one who talks."""
    def tick(connection):
        with contextlib.suppress(ConnectionError):
            connection.sendall(connection.recv(10))
            for _ in range(10):
                time.sleep(0.1)
                connection.sendall(b".")
            read_all(connection)

    with target(tick) as port, Proxy(port, "--idle=0.5", program=program) as proxy:
        silent, talker, listener = connect(proxy.port), connect(proxy.port), connect(proxy.port)
        begin = time.monotonic()
        talker.sendall(b"0123456789")
        listener.sendall(b"0123456789")
        for _ in range(8):
            talker.sendall(b".")
            time.sleep(0.1)
        real.same(read_all(silent), b"", "what the silent one heard")
        real.same(read_all(listener), b"0123456789" + b"." * 10, "what the listener heard")
        real.expect(time.monotonic() - begin >= 1.4, "the listener was closed too early")
        for client in (silent, talker, listener):
            client.close()
        counters = proxy.settle(accepted=3)
        # Who leaves while something is on its way to him may be reset.
        real.same(counters["idle"] + counters["done"] + counters["broken"], 3, f"ends of {counters}")
        real.expect(counters["idle"] >= 2, f"{counters}")


def refused(program=PROXY):
    """A target that is not there: the client is reset, the proxy says which target and why."""
    # A port that is taken, so that nobody else gets it, by who does not listen.
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused_by(nobody.getsockname()[1], program)


def refused_by(port, program):
    with Proxy(port, program=program) as proxy:
        for _ in range(3):
            turned_away(proxy.port)
        proxy.settle(accepted=3, unreachable=3)
        proxy.complaint = f"tcp_proxy: cannot connect to 127.0.0.1, port {port}: "
        proxy.stop()


def no_answer(program=PROXY):
    """A target that does not answer at all: the connect has a time limit of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        with Proxy(port, "--connect=0.4", program=program) as proxy:
            begin = time.monotonic()
            ended(connect(proxy.port), by_reset=True)
            real.expect(0.4 <= time.monotonic() - begin < 5, f"it took {time.monotonic() - begin} s")
            proxy.settle(accepted=1, unreachable=1)
            proxy.complaint = f"cannot connect to 127.0.0.1, port {port}: no answer within 0.4 s\n"
            proxy.stop()
        for filler in fillers:
            filler.close()


def target_resets(program=PROXY):
    """A target that resets in the middle of its answer: the client sees a reset and no end."""
    def give_up(connection):
        connection.recv(100)
        connection.sendall(b"half of the ans")
        time.sleep(0.1)
        reset(connection)

    with target(give_up) as port, Proxy(port, program=program) as proxy:
        client = connect(proxy.port)
        client.sendall(b"what is it?")
        real.same(client.recv(100), b"half of the ans", "what came before the reset")
        ended(client, by_reset=True)
        proxy.settle(accepted=1, broken=1)


def client_resets(program=PROXY):
    """A client that resets: the target sees a reset and no end."""
    seen = []

    def look(connection):
        try:
            while connection.recv(100):
                pass
            seen.append("end")
        except ConnectionResetError:
            seen.append("reset")

    with target(look) as port, Proxy(port, program=program) as proxy:
        for _ in range(5):
            client = connect(proxy.port)
            client.sendall(b"half of the ques")
            time.sleep(0.1)
            reset(client)
        proxy.settle(accepted=5, broken=5)
    real.same(seen, ["reset"] * 5, "what the target saw")


# ---------------------------------------------------------------------------------------------------------------- Many

def many(n, size, *options, program=PROXY):
    with real.Server(ECHO) as server, Proxy(server.port, *options, program=program) as proxy:
        async def drive():
            await echo_load.Load(n, size).run(proxy.port)

        real.bounded(drive())
        proxy.settle(accepted=n, done=n, up=n * size, down=n * size)


def thousand():
    """1,000 connections at once, each with data of its own, which come back."""
    many(1000, 20_000)


def more_than_allowed():
    """More than are allowed at a time: the others wait, and none is lost."""
    many(400, 5_000, "--most=50")


def never_above_the_limit():
    """With room for two, the third is served when one of them has gone."""
    with target(echo) as port, Proxy(port, "--most=2") as proxy:
        first, second, third = (connect(proxy.port) for _ in range(3))
        for client in (first, second, third):
            client.sendall(b"hello")
        for client in (first, second):
            real.same(client.recv(5), b"hello", "the echo")
        real.same(proxy.counters()["accepted"], 2, "accepted")
        third.settimeout(0.3)
        try:
            real.same(third.recv(5), b"nothing", "what the third heard while it was to wait")
        except TimeoutError:
            pass
        first.close()
        third.settimeout(20)
        real.same(third.recv(5), b"hello", "the echo to the third")
        second.close()
        third.close()
        proxy.settle(accepted=3, done=3)


def resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def who_never_reads():
    """Targets that send without end to clients that never read: memory stays bounded, in the proxy and by it; a client
    that does read is served meanwhile; time ends it all."""
    n, most = 40, 300 * 1024

    def flood(connection):
        if connection.recv(5) == b"hello":
            connection.sendall(b"hello")
            return
        with contextlib.suppress(ConnectionError):
            while True:
                connection.sendall(b"x" * 65536)

    with target(flood) as port, Proxy(port, "--idle=2") as proxy:
        before = resident(proxy.process)
        deaf = [connect(proxy.port, 4096) for _ in range(n)]
        for client in deaf:
            client.sendall(b"flood")
        seen = -1
        while proxy.counters()["down"] != seen:
            seen = proxy.counters()["down"]
            time.sleep(0.2)
        more = resident(proxy.process) - before
        real.expect(more < n * most, f"{more // n} bytes more for each of {n} who do not read")
        real.expect(seen < n * (8 << 20), f"{seen} bytes were taken for {n} who do not read")
        with connect(proxy.port) as client:
            client.sendall(b"hello")
            real.same(read_all(client), b"hello", "the echo to a client that reads")
        proxy.settle(accepted=n + 1, idle=n, done=1)
        for client in deaf:
            client.close()


# ------------------------------------------------------------------------------------------------------------------ TLS

@contextlib.contextmanager
def authority():
    with real.directory() as folder:
        yield certificates.Authority(folder)


def keys_of(certificate):
    return f"--cert={certificate.pem}", f"--key={certificate.key}"


def tls_client(port, ca, host="localhost"):
    context = ssl.create_default_context(cafile=ca.pem)
    return context.wrap_socket(connect(port), server_hostname=host)


def wrk_by_tls():
    """The same over TLS: wrk before the proxy, nginx behind it without."""
    with authority() as ca, web() as (port, contents), Proxy(port, *keys_of(ca.sign("proxy"))) as proxy:
        for name, connections in (("small", 100), ("large", 4)):
            n = wrk(proxy.port, name, connections, 1, scheme="https")
            counters = proxy.settle()
            real.expect(counters["down"] >= n * FILES[name], f"{n} answers, and {counters}")
        fetched = real.run([real.tool("curl"), "--silent", "--show-error", "--cacert", ca.pem,
                            f"https://localhost:{proxy.port}/large"])
        real.expect(fetched == contents["large"], f"curl got {len(fetched)} bytes")
        proxy.settle()


def ends_by_tls(program=PROXY):
    """The end of either side is announced to the other: nobody takes a connection that broke for one that ended."""
    heard = []

    def talk(connection):
        heard.append(connection.recv(5))
        if heard[-1]:
            connection.sendall(b"good bye")

    with authority() as ca, target(talk) as port, Proxy(port, *keys_of(ca.sign("proxy")), program=program) as proxy:
        with tls_client(proxy.port, ca) as client:
            client.sendall(b"hello")
            real.same(read_all(client), b"good bye", "what the client heard, and an end that was announced")
        proxy.settle(done=1, up=5, down=8)
        with tls_client(proxy.port, ca) as client:
            client.unwrap()
        proxy.settle(done=2)
    real.same(heard[:2], [b"hello", b""], "what the target heard")


def strangers():
    """Clients that do not speak TLS, or nothing at all, never reach the target, and harm nobody."""
    reached = []

    def note(connection):
        reached.append(connection.recv(5))
        connection.sendall(b"hello")

    with authority() as ca, target(note) as port, Proxy(port, "--connect=0.5", *keys_of(ca.sign("proxy"))) as proxy:
        silent, loud = connect(proxy.port), connect(proxy.port)
        loud.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            read_all(loud)
        with contextlib.suppress(ConnectionError):
            real.same(read_all(silent), b"", "what the silent one heard")
        with tls_client(proxy.port, ca) as client:
            client.sendall(b"hello")
            real.same(read_all(client), b"hello", "what a client heard")
        silent.close()
        loud.close()
        proxy.settle(done=1)
        proxy.complaint = None
        proxy.stop()
    real.same(reached, [b"hello"], "what the target heard")


def renewed():
    """SIGHUP: connections that begin afterwards meet the new certificate, the others go on; a bad one is not taken."""
    with authority() as ca, target(echo) as port:
        old, new = ca.sign("proxy"), ca.sign("other")
        with Proxy(port, *keys_of(old)) as proxy:
            before = tls_client(proxy.port, ca)
            os.replace(new.pem, old.pem)
            proxy.signal(signal.SIGHUP)
            proxy.counters()
            with tls_client(proxy.port, ca) as still_old:
                real.same(name_of(still_old), "proxy", "the certificate, when the key is not the new one's")
            os.replace(new.key, old.key)
            proxy.signal(signal.SIGHUP)
            proxy.counters()
            with tls_client(proxy.port, ca) as after:
                real.same(name_of(after), "other", "the certificate after the renewal")
                for client in (before, after):
                    client.sendall(b"hello")
                    real.same(client.recv(5), b"hello", "the echo")
            real.same(name_of(before), "proxy", "the certificate of who was there before")
            before.close()
            proxy.complaint = "tcp_proxy: the old certificate stays: "
            proxy.stop()


def name_of(client):
    return dict(pair for part in client.getpeercert()["subject"] for pair in part)["commonName"]


# ------------------------------------------------------------------------------------------------------------- The rest

def twin():
    """The program in Python does the same."""
    half_close_by_nc(TWIN)
    last_words(TWIN)
    idle(TWIN)
    refused(TWIN)
    no_answer(TWIN)
    target_resets(TWIN)
    client_resets(TWIN)
    many(100, 20_000, "--most=30", program=TWIN)
    if "tls" in sys.argv:
        ends_by_tls(TWIN)


def misuse():
    """Wrong words get the usage, a port that is taken is told with its address."""
    for words in ([], ["127.0.0.1", "0", "127.0.0.1"], ["127.0.0.1", "0", "127.0.0.1", "0"],
                  ["--idle=x", "::", "1", "h", "1"], ["127.0.0.1", "65536", "127.0.0.1", "1"],
                  ["--key=k", "127.0.0.1", "0", "127.0.0.1", "1"], ["--most=0", "127.0.0.1", "0", "127.0.0.1", "1"]):
        done = complaint_of(*words)
        real.same((done.returncode, done.stderr[:6]), (2, "usage:"), f"{words}")
    with target(echo) as port:
        done = complaint_of("127.0.0.1", str(port), "127.0.0.1", "1")
        real.same(done.returncode, 1, "exit status")
        real.expect(f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr, done.stderr)


def complaint_of(*words):
    return subprocess.run([*real.command_of(PROXY), *words], capture_output=True, text=True, timeout=60, check=False,
                          env=real.ENVIRONMENT)


if __name__ == "__main__":
    with_tls = (wrk_by_tls, ends_by_tls, strangers, renewed) if "tls" in sys.argv else ()
    sys.exit(real.main(wrk_to_nginx, connections_that_end, stop_under_load, stop_wrk, stop_at_once,
                       stop_with_a_slow_target, half_close_by_nc, half_close_by_the_target, last_words, idle, refused,
                       no_answer, target_resets, client_resets, thousand, more_than_allowed, never_above_the_limit,
                       who_never_reads, *with_tls, twin, misuse))
