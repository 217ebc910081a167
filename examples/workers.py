"""The same as workers.c: a small web server on all processors, all listening on the same port. Python's loops need a
process each.

    workers.py [--workers=N] [--grace=SECONDS] [HOST [PORT]]
"""

import argparse
import asyncio
import multiprocessing
import os
import signal
import socket


class Worker:
    def __init__(self, index, listener, options, listening):
        self.index = index
        self.listener = listener
        self.options = options
        self.listening = listening  # how many workers do
        self.clients = self.requests = 0
        self.tasks = set()

    def answer(self, status, leaves):
        body = f"worker {self.index}\n"
        return (f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                f"Connection: {'close' if leaves else 'keep-alive'}\r\n\r\n{body}").encode()

    async def serve_client(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.clients += 1
        leaves = False
        try:
            while not leaves:
                head = await reader.readuntil(b"\r\n\r\n")
                leaves = (b"\r\nConnection: close\r\n" in head or b" HTTP/1.0\r\n" in head
                          or self.listening.value == 0)
                if head.startswith(b"GET "):
                    writer.write(self.answer("200 OK", leaves))
                else:
                    leaves = True
                    writer.write(self.answer("405 Method Not Allowed", leaves))
                await writer.drain()
                self.requests += 1
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # it has left, or asks for more than anybody may
        finally:
            self.tasks.discard(asyncio.current_task())
            writer.close()

    async def work(self):
        stops = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stops.set)
        server = await asyncio.start_server(self.serve_client, sock=self.listener)
        await stops.wait()
        server.close()
        with self.listening.get_lock():
            self.listening.value -= 1
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=self.options.grace)
            for task in late:
                task.cancel()
        if self.clients:
            print(f"worker {self.index}: {self.clients} clients, {self.requests} requests", flush=True)


def listen(host, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(1000)
    return listener


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--grace", type=float, default=5)
    parser.add_argument("host", nargs="?", default="127.0.0.1")
    parser.add_argument("port", nargs="?", type=int, default=8080)
    options = parser.parse_args()
    listeners = [listen(options.host, options.port)]
    address = listeners[0].getsockname()
    listeners += [listen(*address) for _ in range(options.workers - 1)]
    context = multiprocessing.get_context("fork")
    listening = context.Value("i", options.workers)
    workers = [Worker(i, listeners[i], options, listening) for i in range(options.workers)]
    processes = [context.Process(target=lambda worker=worker: asyncio.run(worker.work())) for worker in workers]
    for process in processes:
        process.start()
    for listener in listeners:
        listener.close()
    print(f"serving on {address[0]}:{address[1]}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: [os.kill(process.pid, number) for process in processes])
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
