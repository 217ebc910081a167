"""Contexts for the programs with TLS, and their certificates, made by Debian's openssl in a folder that goes with them.

A certificate is its own authority: who trusts it trusts nobody else.
"""

import atexit
import pathlib
import shutil
import ssl
import subprocess
import tempfile

folder = pathlib.Path(tempfile.mkdtemp(prefix="asyncio-parity-"))
atexit.register(shutil.rmtree, folder, True)

COMMAND = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2"
           " -addext subjectAltName=DNS:localhost -addext keyUsage=critical,digitalSignature,keyCertSign")


def certificate(name):
    """A certificate of localhost, and the file of its key."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    if not pem.exists():
        subprocess.run([*COMMAND.split(), "-keyout", key, "-out", pem], check=True, capture_output=True)
    return pem, key


def server_context(name="server"):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate(name))
    return context


def client_context(name="server"):
    """A context that trusts that certificate."""
    return ssl.create_default_context(cafile=certificate(name)[0])


# The checks of certificates that fail here, by OpenSSL's numbers.
VERIFY_CODES = {18: "self-signed", 62: "another host"}


async def tls_outcome(awaitable):
    """Await, and say what became of a handshake."""
    try:
        await awaitable
    except ssl.SSLCertVerificationError as error:
        return VERIFY_CODES[error.verify_code]
    return "done"
