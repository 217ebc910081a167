#!/usr/bin/python3
"""Becomes an nginx that serves files by HTTP over TLS: `nginx_server.py nginx|nginx-sendfile SERVICE CERTIFICATE KEY
[FILE]`. Whatever the service, it serves the files of the certificate's folder, in which it also keeps its own.
Prints its port, then serves until it is killed.

It is one process, so that whoever starts it knows whose processor time counts, and without what it says of each
request: otherwise as Debian sets it up. nginx does not tell when it is ready, so a process beside it looks.
"""

import contextlib
import os
import pathlib
import socket
import sys
import time

NGINX = "/usr/sbin/nginx"  # the directory for superusers' programs is not in everybody's path
BACKLOG = 4096
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile {sendfile};
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port} ssl backlog={backlog};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        {ktls}
        root {folder};
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tell_when_it_answers(port):
    """In a process of its own, which is nobody's child."""
    if os.fork():
        os.wait()
        return
    if os.fork():
        os._exit(0)
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            print(port, flush=True)
            break
        time.sleep(0.01)
    os._exit(0)


def main(impl, _, certificate, key, *_files):
    folder = pathlib.Path(certificate).parent
    by_kernel = impl == "nginx-sendfile"
    port = free_port()
    configuration = folder / f"{impl}-{port}.conf"
    configuration.write_text(CONFIGURATION.format(
        folder=folder, port=port, backlog=BACKLOG, certificate=certificate, key=key,
        sendfile="on" if by_kernel else "off", ktls="ssl_conf_command Options KTLS;" if by_kernel else ""),
        encoding="utf-8")
    tell_when_it_answers(port)
    os.execv(NGINX, [NGINX, "-p", str(folder), "-e", "stderr", "-c", str(configuration)])


if __name__ == "__main__":
    main(*sys.argv[1:])
