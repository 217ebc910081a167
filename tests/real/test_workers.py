#!/usr/bin/python3
"""The web server on all processors: under wrk and curl, and stopped while clients ask it.

    test_workers.py WORKERS TWIN
"""

import re
import signal
import socket
import subprocess
import sys
import threading
import time

import real

WORKERS, TWIN = sys.argv[1:3]
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = re.compile(rb"HTTP/1\.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n"
                    rb"Connection: (close|keep-alive)\r\n\r\nworker (\d)\n")


class Workers(real.Server):
    """Two of them."""

    def __init__(self, *options, program=WORKERS):
        super().__init__(program, "--workers=2", *options, "127.0.0.1", "0")

    def __exit__(self, kind, error, trace):
        if kind is None and self.process.poll() is None:
            self.end()
        super().__exit__(kind, error, trace)

    def end(self, number=signal.SIGTERM, seconds=20):
        """Stops it. Returns: how many clients and requests each worker had."""
        self.process.send_signal(number)
        try:
            output, complaint = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise real.Failure(f"still there after {seconds} s: {self.process.communicate()}") from error
        real.same((self.process.returncode, complaint), (0, ""), "how it ended, with what complaint")
        return {int(index): (int(clients), int(requests))
                for index, clients, requests in re.findall(r"worker (\d): (\d+) clients, (\d+) requests\n", output)}


def wrk(port, seconds, *options):
    return [real.tool("wrk"), "-t1", "-c50", f"-d{seconds}s", "--timeout=20s", *options, f"http://127.0.0.1:{port}/"]


def n_requests(printed):
    return int(re.search(r"(\d+) requests in", printed)[1])


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ask(client):
    """Asks once. Returns: whether the server wants to end the connection, and which worker it was; None: it has
    ended it before, without a word."""
    client.sendall(REQUEST)
    answer = b""
    while not (match := ANSWER.fullmatch(answer)):
        piece = client.recv(1000)
        if not piece and not answer:
            return None
        real.expect(piece, f"a broken answer: {answer!r}")
        answer += piece
    return match[1] == b"close", int(match[2])


# --------------------------------------------------------------------------------------------------------------- Tests

def by_wrk():
    """Many requests on many connections: none is broken, and all workers work."""
    with Workers() as server:
        printed = real.run(wrk(server.port, 1)).decode()
        real.expect("Socket errors" not in printed and "Non-2xx" not in printed, printed)
        closing = real.run(wrk(server.port, 1, "-H", "Connection: close")).decode()
        real.expect("Non-2xx" not in closing and "Socket errors" not in closing, closing)
        counts = server.end()
    real.same(sorted(counts), [0, 1], "workers with clients")
    answered = sum(requests for _, requests in counts.values())
    real.expect(answered >= n_requests(printed) + n_requests(closing), f"{counts} after {printed} and {closing}")


def by_curl(program=WORKERS):
    """What a client sees."""
    with Workers(program=program) as server:
        url = f"http://127.0.0.1:{server.port}/"
        real.expect(ANSWER.fullmatch(real.run([real.tool("curl"), "-s", "-i", url])), "the answer")
        for words in (["-H", "Connection: close"], ["--http1.0"]):
            match = ANSWER.fullmatch(real.run([real.tool("curl"), "-s", "-i", *words, url]))
            real.same(match and match[1], b"close", f"the connection, with {words}")
        posted = real.run([real.tool("curl"), "-s", "-i", "--data", "x", url])
        real.expect(posted.startswith(b"HTTP/1.1 405 "), posted)


def pinned():
    """A connection goes to the worker on the processor where it comes in."""
    with Workers("--steer") as server:
        for _ in range(20):
            with connect(server.port) as client:
                real.expect(ask(client) is not None, "no answer")


def stop_under_wrk():
    """No answer is broken when it stops while wrk asks for more; who comes later finds nobody."""
    with Workers() as server:
        with subprocess.Popen(wrk(server.port, 2), stdout=subprocess.PIPE, text=True) as driver:
            time.sleep(0.7)
            counts = server.end()
            printed = driver.communicate()[0]
    # What wrk calls errors of writing are its new connections, which nobody takes.
    real.expect(", read 0, " in printed and "timeout 0" in printed and "Non-2xx" not in printed, printed)
    answered = sum(requests for _, requests in counts.values())
    # wrk counts, but for those that it did not read before its time was over.
    real.expect(0 < n_requests(printed) <= answered, f"{counts} and {printed}")


def stop_under_load(program=WORKERS):
    """Clients that ask on and on: each is answered whole, and told when it is the last time."""
    endings, failures = [], []

    def keep_asking(port):
        try:
            with connect(port) as client:
                while not (outcome := ask(client))[0]:
                    pass
                endings.append(outcome[1])
                real.same(client.recv(1), b"", "what follows the last answer")
        except Exception as error:
            failures.append(repr(error))

    with Workers(program=program) as server:
        threads = [threading.Thread(target=keep_asking, args=(server.port,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.end()
        for thread in threads:
            thread.join()
    real.same((failures, len(endings)), ([], 20), "failures, and ends in order")


def idle_clients():
    """Who asks for nothing is left alone for the time of grace, and no longer; a second signal does not wait."""
    with Workers("--grace=1") as server, connect(server.port) as client, connect(server.port):
        real.same(ask(client)[0], False, "the end of the connection")
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        real.same(ask(client)[0], True, "the end of the connection, in the time of grace")
        server.process.wait(20)
        real.expect(0.9 < time.monotonic() - begin < 10, f"it took {time.monotonic() - begin} s")
    with Workers("--grace=60") as server, connect(server.port) as client:
        ask(client)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        real.same(server.process.wait(20), -signal.SIGTERM, "the end after a second signal")


def interrupt():
    """Ctrl-C does as SIGTERM."""
    with Workers() as server:
        server.end(signal.SIGINT)


def twin():
    """The program in Python does the same."""
    by_curl(TWIN)
    stop_under_load(TWIN)


def misuse():
    """Wrong words get the usage, a port that is taken is told with its address, once."""
    for words in (["--workers=0"], ["--workers=x"], ["--grace=-1"], ["h", "65536"], ["h", "1", "2"], ["--what"]):
        done = complaint_of(*words)
        real.same((done.returncode, done.stderr[:6]), (2, "usage:"), f"{words}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = complaint_of("--workers=4", "127.0.0.1", str(port))
        real.same(done.returncode, 1, "exit status")
        real.expect(f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr, done.stderr)


def complaint_of(*words):
    return subprocess.run([*real.command_of(WORKERS), *words], capture_output=True, text=True, timeout=60, check=False,
                          env=real.ENVIRONMENT)


if __name__ == "__main__":
    sys.exit(real.main(by_wrk, by_curl, pinned, stop_under_wrk, stop_under_load, idle_clients, interrupt, twin, misuse))
