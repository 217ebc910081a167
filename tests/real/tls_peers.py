"""Counterparts over TLS: openssl s_client and s_server, and servers made of Python's ssl, each on a port of its own."""

import contextlib
import queue
import socket
import ssl
import struct
import subprocess
import threading

import real


class Process:
    """With it, a program runs; its output is read by a thread, so that nothing here waits for ever."""

    def __init__(self, command):
        self.command = list(map(str, command))

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=real.ENVIRONMENT)
        self.printed = b""
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def next_line(self):
        """The next line, None at the end."""
        try:
            line = self.lines.get(timeout=real.TIME_LIMIT_S)
        except queue.Empty:
            raise real.Failure(f"{self.command[:2]} printed only {self.printed!r}") from None
        if line is None:
            self.lines.put(None)
        else:
            self.printed += line
        return line

    def wait_for(self, text):
        """Reads until a line has the text in it. Returns the line."""
        while (line := self.next_line()) is not None:
            if text in line:
                return line.decode()
        raise real.Failure(f"{self.command[:2]} ended, and printed no {text!r} but {self.printed!r}")

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self):
        """Closes its standard input and waits. Returns all that it printed."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        while self.next_line() is not None:
            pass
        self.process.wait(real.TIME_LIMIT_S)
        return self.printed.decode(errors="replace")

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()


class SClient(Process):
    """openssl s_client, which checks the server as a browser would."""

    def __init__(self, port, authority, *options, host="localhost"):
        super().__init__([real.tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", host,
                          "-verify_hostname", host, "-verify_return_error", "-CAfile", authority.pem, *options])

    def echo(self, text):
        """Sends a line, and waits for it. (A line must not begin with Q or R, which are commands.)"""
        self.send(text.encode() + b"\n")
        self.wait_for(text.encode())


class SServer(Process):
    """openssl s_server."""

    def __init__(self, certificate, *options):
        super().__init__([real.tool("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", certificate.pem,
                          "-key", certificate.key, *options])

    def __enter__(self):
        super().__enter__()
        try:
            self.port = int(self.wait_for(b"ACCEPT").rpartition(":")[2])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self


def server_context(certificate, authority=None, ciphers=None):
    """`authority`: whose certificates clients have to show."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority and authority.pem)
    if ciphers:
        context.set_ciphers(ciphers)
    if authority:
        context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate.pem, certificate.key)
    return context


def client_context(authority, certificate=None, protocols=None):
    context = ssl.create_default_context(cafile=authority.pem)
    if certificate:
        context.load_cert_chain(certificate.pem, certificate.key)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def reset(connection):
    """Closes a socket so that the peer sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class PythonServer:
    """With it, serve(connection) is called for each client in a thread of its own, after the handshake. What it raises
    is kept in `problems`; clients that give up are none."""

    def __init__(self, context, serve):
        self.context, self.serve = context, serve
        self.problems = []
        self.threads = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=300)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()
        return self

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                client.settimeout(real.TIME_LIMIT_S)
                thread = threading.Thread(target=self.serve_one, args=(client,), daemon=True)
                self.threads.append(thread)
                thread.start()

    def serve_one(self, client):
        try:
            with self.context.wrap_socket(client, server_side=True) as connection:
                self.serve(connection)
        except OSError as error:
            self.problems.append(error)
        finally:
            client.close()

    def __exit__(self, kind, error, trace):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.accepting.join()
        for thread in self.threads:
            thread.join(real.TIME_LIMIT_S)
