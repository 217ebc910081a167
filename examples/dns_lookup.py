"""Looks for the addresses of hosts, all at the same time, within a time limit.

    dns_lookup.py [--seconds=N] HOST...

A line a host, in the order of the arguments: "HOST: ADDRESS...", or "HOST: " and why there is none.
"""

import asyncio
import socket
import sys


async def look_up(host, seconds):
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        # Python asks in a thread, which goes on without us.
        return f"{host}: not within {seconds:g} seconds"
    except OSError as error:
        return f"{host}: {error.strerror}"
    return " ".join([f"{host}:", *sorted(info[4][0] for info in infos)])


async def amain(hosts, seconds):
    for line in await asyncio.gather(*(look_up(host, seconds) for host in hosts)):
        print(line)


def main():
    seconds = 10.0
    for argument in sys.argv[1:]:
        if argument.startswith("--seconds="):
            seconds = float(argument.partition("=")[2])
    hosts = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not hosts:
        print("usage: dns_lookup.py [--seconds=N] HOST...", file=sys.stderr)
        return 2
    asyncio.run(amain(hosts, seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
