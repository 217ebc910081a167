"""Forwards TCP connections to another host and port, in both directions, until it is told to stop.

    tcp_proxy.py [OPTION...] HOST PORT TARGET-HOST TARGET-PORT      PORT 0 takes one that is free

    --most=N            connections at a time, 1000; more are accepted, and wait until one ends
    --connect=SECONDS   that the target may take to answer, and a client to shake hands, 10
    --idle=SECONDS      that a connection may stay without a byte that moves, 60
    --grace=SECONDS     that connections have to end by themselves when the proxy stops, 10; then they are aborted
    --cert=FILE         talk TLS with the clients (not with the target), with this certificate
    --key=FILE          and this private key, if that is not in the same file

SIGTERM and Ctrl-C stop it, a second one without grace. SIGUSR1 prints the counters; so does the end. SIGHUP loads the
certificate again.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import ssl
import struct
import sys

CLOSE_TIMEOUT = 5


class Direction:
    """One of the two directions of a connection."""

    def __init__(self, proxy, reader, writer, counter):
        self.proxy, self.reader, self.writer, self.counter = proxy, reader, writer, counter
        self.idle = None  # the time-out of both directions
        self.is_cut = False  # who it leads to has hung up before the end

    def show_life(self):
        if not self.idle.expired():
            self.idle.reschedule(asyncio.get_running_loop().time() + self.proxy.options.idle)

    async def copy(self):
        """Copies until the one side ends. If the other one hangs up before, it may have said something, such as why,
        which the other direction is still passing on. What else there is to be copied is read and dropped, because
        closing a connection with something unread resets it, and that may overtake the answer."""
        while data := await self.reader.read(16 * 1024):
            if self.is_cut:
                continue
            self.show_life()
            try:
                self.writer.write(data)
                await self.writer.drain()  # waits while nobody reads there
            except ConnectionError:
                self.is_cut = True
                continue
            self.show_life()
            self.proxy.counters[self.counter] += len(data)
        if self.is_cut:
            return
        # TLS has no half connections: there the end of one direction is the end of both.
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()


class Proxy:
    def __init__(self, options):
        self.options = options
        self.room = asyncio.Semaphore(options.most)
        self.clients = set()  # the tasks of all connections
        self.counters = dict.fromkeys(("accepted", "done", "idle", "broken", "unreachable", "stopped", "up", "down"), 0)

    def print_counters(self):
        counts = self.counters
        ends = ", ".join(f"{counts[how]} {how}" for how in ("done", "idle", "broken", "unreachable", "stopped"))
        print(f"connections: {counts['accepted']} accepted, {len(self.clients)} open, {ends}; "
              f"bytes: {counts['up']} up, {counts['down']} down", flush=True)

    async def connect(self):
        options = self.options
        place = f"cannot connect to {options.target_host}, port {options.target_port}"
        try:
            async with asyncio.timeout(options.connect):
                return await asyncio.open_connection(options.target_host, options.target_port,
                                                     happy_eyeballs_delay=0.25)
        except TimeoutError:
            print(f"tcp_proxy: {place}: no answer within {options.connect:g} s", file=sys.stderr)
        except OSError as error:
            print(f"tcp_proxy: {place}: {error}", file=sys.stderr)
        return None

    async def exchange(self, up, down):
        """Copies both ways. When one fails, the group cancels the other. Returns how it ended."""
        try:
            async with asyncio.timeout(self.options.idle) as idle, asyncio.TaskGroup() as group:
                up.idle = down.idle = idle
                group.create_task(down.copy())
                await up.copy()
        except TimeoutError:
            return "idle"
        except ExceptionGroup as errors:
            if errors.split((OSError, EOFError))[1]:
                raise
            return "broken"
        return "cut" if up.is_cut or down.is_cut else "done"

    async def forward(self, reader, writer):
        """Serves a client."""
        self.clients.add(asyncio.current_task())
        how, target = "stopped", None
        try:
            async with self.room:
                self.counters["accepted"] += 1
                target = await self.connect()
                if not target:
                    how = "unreachable"
                    return
                how = await self.exchange(Direction(self, reader, target[1], "up"),
                                          Direction(self, target[0], writer, "down"))
                if how != "broken":
                    await close(target[1])
                    await close(writer)
        except asyncio.CancelledError:
            pass  # the proxy stops
        finally:
            # A reset is passed on as such: nobody shall take half a message for a whole one.
            if how not in ("done", "idle", "cut"):
                reset(writer)
                if target:
                    reset(target[1])
            self.counters["broken" if how == "cut" else how] += 1
            self.clients.discard(asyncio.current_task())

    async def stop(self, server, grace):
        """Lets connections end until the deadline, then aborts them."""
        server.close()
        if self.clients:
            await asyncio.wait(self.clients, timeout=grace)
        for client in self.clients:
            client.cancel()
        if self.clients:
            await asyncio.wait(self.clients)

    async def serve(self):
        options, loop = self.options, asyncio.get_running_loop()
        tls = None
        if options.cert:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(options.cert, options.key)
        server = await asyncio.start_server(self.forward, options.host, options.port, backlog=1024, ssl=tls,
                                            ssl_handshake_timeout=options.connect if tls else None)
        print("serving on {}:{}".format(*server.sockets[0].getsockname()), flush=True)
        told, told_again = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: (told_again if told.is_set() else told).set())
        loop.add_signal_handler(signal.SIGUSR1, self.print_counters)
        if tls:
            loop.add_signal_handler(signal.SIGHUP, tls.load_cert_chain, options.cert, options.key)
        await told.wait()
        stopping = asyncio.create_task(self.stop(server, options.grace))
        again = asyncio.create_task(told_again.wait())
        await asyncio.wait((stopping, again), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            stopping.cancel()
            await self.stop(server, 0)
        again.cancel()
        self.print_counters()


async def close(writer):
    """Closes, once what was written is sent or the time is over."""
    writer.close()
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await writer.wait_closed()


def reset(writer):
    """Closes now; what was not sent is dropped."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def positive(text):
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def main():
    parser = argparse.ArgumentParser(prog="tcp_proxy")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--connect", type=positive, default=10)
    parser.add_argument("--idle", type=positive, default=60)
    parser.add_argument("--grace", type=float, default=10)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("target_host")
    parser.add_argument("target_port", type=int)
    options = parser.parse_args()

    async def run():
        await Proxy(options).serve()

    try:
        asyncio.run(run())
    except OSError as error:
        print(f"tcp_proxy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
