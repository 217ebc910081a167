"""Who is told what, in which order, with TLS, when one side closes, the other, or both (TR-06, TL-03, TL-05, TL-07).

One side tells, the other one is quiet: who of two is told first of an end is not what this is about."""

import asyncio

from parity_tls import client_context, server_context
from virtual_clock import port_of, run, tell, Teller


def says_what_it_knows(protocol):
    extra = protocol.transport.get_extra_info
    common_name = (extra("peercert") or {"subject": [[("", None)]]})["subject"][0][0][1]
    protocol.says(f"{extra('ssl_object').version()}, peer {common_name}, half close "
                  f"{protocol.transport.can_write_eof()}, marks {protocol.transport.get_write_buffer_limits()}")


def answers(protocol, data):
    if data.endswith(b"\n"):
        protocol.transport.write(b"HELLO\n")


def answers_and_closes(protocol, data):
    protocol.transport.writelines([b"good", b"bye\n"])
    protocol.transport.close()
    protocol.says(f"closing {protocol.transport.is_closing()}")


async def one(teller, closing, port, trusting, served):
    tell(f"{teller} tells, {closing} closes")
    served.is_quiet = teller != "server"
    served.data = answers_and_closes if closing == "server" else answers
    client = Teller("client", made=says_what_it_knows)
    client.is_quiet = teller != "client"
    transport, protocol = await asyncio.get_running_loop().create_connection(
        lambda: client, "127.0.0.1", port, ssl=trusting, server_hostname="localhost")
    await asyncio.sleep(1)
    protocol.says(f"connected, {protocol.transport is transport}")
    transport.write(b"hello\n")
    await asyncio.sleep(1)
    if closing == "client":
        transport.write(b"last words")
    if closing != "server":
        transport.close()
    if closing == "each":
        served.transport.close()
    await asyncio.sleep(1)
    tell(f"closing {transport.is_closing()}")


async def main():
    served = Teller("server", made=says_what_it_knows)
    server = await asyncio.get_running_loop().create_server(lambda: served, "127.0.0.1", 0, ssl=server_context())
    trusting = client_context()
    for teller in "client", "server":
        for closing in "client", "server", "each":
            await one(teller, closing, port_of(server), trusting, served)
    server.close()
    await server.wait_closed()


run(main())
