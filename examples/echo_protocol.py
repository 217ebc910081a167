"""An echo server and its client, both made of callbacks: protocols, to which transports tell what happens."""

import asyncio


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        print(f"server: received {data.decode()}")
        self.transport.write(data)
        print("server: sent it back")
        self.transport.close()


class Client(asyncio.Protocol):
    def __init__(self, message):
        self.message = message
        self.closed = asyncio.Event()

    def connection_made(self, transport):
        transport.write(self.message.encode())
        print(f"client: sent {self.message}")

    def data_received(self, data):
        print(f"client: received {data.decode()}")

    def connection_lost(self, exc):
        print(f"client: the server has closed the connection{' in error' if exc else ''}")
        self.closed.set()


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, client = await loop.create_connection(lambda: Client("Hello World!"), "127.0.0.1", port)
    await client.closed.wait()
    server.close()


asyncio.run(main())
