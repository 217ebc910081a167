"""nginx as a counterpart: unprivileged, on loopback, with a folder, a port and processes of its own."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import real

CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
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
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port} {listen};
        root {folder}/root;
        {server}
    }}
}}
"""


class Nginx:
    """With it, nginx serves the files of `folder`/root, which is to be a fresh directory. `listen` is what follows the
    address ("ssl"), `server` lines for the server's block."""

    def __init__(self, folder, listen="", server=""):
        self.folder = pathlib.Path(folder)
        self.listen, self.server = listen, server
        self.root = self.folder / "root"
        self.root.mkdir(exist_ok=True)

    def __enter__(self):
        # The directory for superusers' programs is not in everybody's path.
        path = shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
        real.expect(path, "nginx is missing; tools/setup real, or apt-get install nginx, installs it")
        self.port = real.free_port()
        configuration = self.folder / "nginx.conf"
        # Started by root its workers would be another user, who may not look into the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        configuration.write_text(CONFIGURATION.format(folder=self.folder, port=self.port, listen=self.listen,
                                                      server=self.server, user=user))
        self.process = subprocess.Popen([path, "-p", str(self.folder), "-e", "stderr", "-c", str(configuration)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise real.Failure(f"nginx does not answer: {self.process.communicate()[1]}")
            time.sleep(0.02)
        return self

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
        return False

    def __exit__(self, kind, error, trace):
        self.process.send_signal(signal.SIGTERM)
        try:
            complaint = self.process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            complaint = self.process.communicate()[1]
        if kind:
            print(f"# nginx wrote: {complaint}")
