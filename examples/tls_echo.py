"""An echo server over TLS, and its client.

    tls_echo.py server --cert FILE --key FILE [--client-ca FILE] [--host HOST] PORT
    tls_echo.py client [--ca FILE] [--crl FILE] [--cert FILE --key FILE] [--rounds N] [--verbose] HOST PORT [MESSAGE]

All files are PEM. The server sends back what it gets; port 0 takes one that is free. With --client-ca it serves only
clients who show a certificate of that authority. On SIGHUP it reads certificate and key again: who is connected
stays so, who comes from now on sees the new ones. On SIGTERM and Ctrl-C it ends: clients get two seconds to finish.

The client sends a line and prints the one that comes back; with --rounds it connects again and again. (Python's asyncio
cannot resume a session.) It trusts whom the machine trusts or, with --ca, that authority only; --crl is its list of
revoked certificates. It ends with 0, with 1 for an error, 2 for wrong usage, 3 for a certificate that it does not
accept.
"""

import argparse
import asyncio
import signal
import ssl
import sys

GRACE_S = 2
SHORT_NAMES = {"commonName": "CN", "organizationName": "O", "countryName": "C"}

n_clients = n_resumed = n_bytes = 0
handlers = set()


def complain(about, error):
    print(f"tls_echo: {about}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)


def load_certificate(context, options):
    try:
        context.load_cert_chain(options.cert, options.key)
    except OSError as error:
        complain(options.cert, error)
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- Server


async def echo(reader, writer):
    """Serves a client, after the handshake."""
    global n_clients, n_resumed, n_bytes
    handlers.add(asyncio.current_task())
    n_clients += 1
    n_resumed += writer.get_extra_info("ssl_object").session_reused
    try:
        while data := await reader.read(16 * 1024):
            writer.write(data)
            await writer.drain()  # waits while the client does not read
            n_bytes += len(data)
    except OSError:
        pass  # clients come and go as they like, and speak as well as they can; that is no error of the server
    finally:
        handlers.discard(asyncio.current_task())
        writer.close()


async def serve(options):
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.client_ca)
    if options.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["echo"])
    if not load_certificate(context, options):
        return 1
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    # When they cannot be read, the server goes on with those that it has.
    loop.add_signal_handler(signal.SIGHUP, lambda: load_certificate(context, options) and print("renewed", flush=True))
    server = await asyncio.start_server(echo, options.host, options.port, ssl=context, ssl_handshake_timeout=10,
                                        ssl_shutdown_timeout=GRACE_S)
    print("serving on {}:{}".format(*server.sockets[0].getsockname()), flush=True)
    try:
        await stopping.wait()
    finally:
        server.close()
        if handlers:
            await asyncio.wait(handlers, timeout=GRACE_S)
        for handler in handlers:
            handler.cancel()
    return 0


# ------------------------------------------------------------------------------------------------------------- Client


def describe(writer):
    """Tells on standard error with whom it speaks, and how."""
    connection = writer.get_extra_info("ssl_object")
    cipher, _, bits = connection.cipher()
    session = "resumed" if connection.session_reused else "new"
    print(f"{connection.version()}, {cipher}, {bits} bits, {session} session, "
          f"protocol {connection.selected_alpn_protocol() or 'not agreed on'}", file=sys.stderr)
    certificate = connection.getpeercert()
    subject, issuer = (",".join(f"{SHORT_NAMES.get(name, name)}={value}" for ((name, value),) in certificate[who])
                       for who in ("subject", "issuer"))
    print(f"subject {subject}, issuer {issuer}", file=sys.stderr)


async def visit(context, options):
    """One connection. TLS has no half close: as much as was sent is waited for."""
    reader, writer = await asyncio.open_connection(options.host, options.port, ssl=context, ssl_handshake_timeout=10,
                                                   ssl_shutdown_timeout=GRACE_S)
    try:
        if options.verbose:
            describe(writer)
        message = options.message.encode() + b"\n"
        writer.write(message)
        print((await reader.readexactly(len(message))).decode(), end="", flush=True)
    finally:
        writer.close()
    await writer.wait_closed()  # both ends say that this was all


async def visit_all(options):
    try:
        context = ssl.create_default_context(cafile=options.ca)
        context.set_alpn_protocols(["echo"])
        if options.crl:
            context.load_verify_locations(options.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if options.cert and not load_certificate(context, options):
            return 1
        for _ in range(options.rounds):
            await visit(context, options)
    except ssl.SSLCertVerificationError as error:
        complain(options.host, error.verify_message)
        return 3
    except (OSError, EOFError) as error:
        complain(options.host, error)
        return 1
    return 0


# --------------------------------------------------------------------------------------------------------------- Main


def main():
    parser = argparse.ArgumentParser(prog="tls_echo")
    roles = parser.add_subparsers(required=True, metavar="server | client")
    role = roles.add_parser("server")
    role.set_defaults(main=serve)
    role.add_argument("--cert", required=True)
    role.add_argument("--key")
    role.add_argument("--client-ca")
    role.add_argument("--host", default="127.0.0.1")
    role.add_argument("port", type=int)
    role = roles.add_parser("client")
    role.set_defaults(main=visit_all)
    role.add_argument("--ca")
    role.add_argument("--crl")
    role.add_argument("--cert")
    role.add_argument("--key")
    role.add_argument("--rounds", type=int, default=1)
    role.add_argument("--verbose", action="store_true")
    role.add_argument("host")
    role.add_argument("port", type=int)
    role.add_argument("message", nargs="?", default="Hello, world!")
    options = parser.parse_args()
    is_server = options.main is serve
    status = 0
    try:
        status = asyncio.run(options.main(options))
    except OSError as error:
        complain(options.host, error)
        return 1
    except KeyboardInterrupt:
        pass
    if is_server and status == 0:
        print(f"{n_clients} clients, {n_resumed} resumed, {n_bytes} bytes")
    return status


if __name__ == "__main__":
    sys.exit(main())
