#!/usr/bin/env python3
"""Measure the memory of an idle connection: billing-service beside nghttpd, in clear text and over TLS.

    Benchmarks/idle-connections.py [--connections 1000]

Each connection speaks HTTP/2, has one request answered, and is idle afterwards. The table has the growth of the
server's anonymous memory (RssAnon in /proc/PID/status) for each connection. Needs the release build of
billing-service, nghttpd and openssl.
"""

import argparse
import pathlib
import re
import resource
import socket
import ssl
import tempfile
import time

from frames import DATA, END_HEADERS, END_STREAM, GREETING, HEADERS, frame, get, read_frame
from measuring import make_certificate, memory, start_nghttpd, start_service, stopped_at_end

PATH = "/v2/accounts/no-id-here/billing"


def one_request(connection, scheme):
    fields = get(PATH.encode(), scheme, b"localhost")
    connection.sendall(GREETING + frame(HEADERS, END_STREAM | END_HEADERS, 1, fields))
    while True:
        kind, flags, stream, _ = read_frame(connection)
        if kind in (DATA, HEADERS) and flags & END_STREAM and stream == 1:
            return


def measure(server, url, count, certificate):
    scheme, port = re.fullmatch(r"(https?)://127\.0\.0\.1:(\d+)", url).groups()
    context = None
    if scheme == "https":
        context = ssl.create_default_context(cafile=str(certificate))
        context.set_alpn_protocols(["h2"])

    def connect():
        connection = socket.create_connection(("127.0.0.1", int(port)))
        if context:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        one_request(connection, scheme.encode())
        return connection

    for _ in range(20):
        connect().close()
    time.sleep(0.5)
    before = memory(server.pid, "RssAnon")
    connections = [connect() for _ in range(count)]
    time.sleep(1)
    idle = memory(server.pid, "RssAnon")
    for connection in connections:
        connection.close()
    return (idle - before) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--port", type=int, default=18081, help="nghttpd uses this port and the next")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    print("\n| bytes per idle connection | ours | nghttpd | ratio |\n|---|---|---|---|")
    for name, is_tls in (("clear text", False), ("TLS", True)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            pair = make_certificate(folder)
            tls = pair if is_tls else None
            with stopped_at_end() as running:
                ours = start_service(tls=tls)
                running.append(ours)
                peer, peer_base = start_nghttpd(folder, options.port + is_tls, PATH, "x" * 199 + "\n", tls)
                running.append(peer)
                figures = [measure(server, url, options.connections, pair[1])
                           for server, url in ((ours, ours.base), (peer, peer_base))]
            print(f"| {name} | {figures[0]:,.0f} | {figures[1]:,.0f} | {figures[0] / figures[1]:.2f} |")


if __name__ == "__main__":
    main()
