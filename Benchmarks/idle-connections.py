#!/usr/bin/env python3
"""Memory of an idle connection, ours beside nghttpd, in clear text and over TLS.

    Benchmarks/idle-connections.py [--connections 1000]

Each connection speaks HTTP/2, has one request answered, and is then quiet. What is reported is the growth of the server's
anonymous memory (RssAnon of /proc/PID/status) for each. Needs the release build of billing-service, nghttpd and openssl.
"""

import argparse
import importlib.util
import pathlib
import re
import resource
import socket
import ssl
import struct
import sys
import tempfile
import time

spec = importlib.util.spec_from_file_location("cpu", pathlib.Path(__file__).with_name("cpu-per-request.py"))
cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu)


def memory(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            sys.exit("a connection was closed")
        data += more
    return data


def one_request(connection, scheme):
    path = b"/v2/accounts/no-id-here/billing"
    fields = [(b":method", b"GET"), (b":scheme", scheme), (b":authority", b"localhost"), (b":path", path)]
    connection.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0)
        + frame(1, 5, 1, b"".join(literal(*field) for field in fields)))
    while True:
        head = read_exactly(connection, 9)
        read_exactly(connection, int.from_bytes(head[:3], "big"))
        if head[3] in (0, 1) and head[4] & 1 and head[8] == 1:
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
    before = memory(server.process.pid)
    connections = [connect() for _ in range(count)]
    time.sleep(1)
    idle = memory(server.process.pid)
    for connection in connections:
        connection.close()
    return (idle - before) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--port", type=int, default=18081, help="nghttpd's port, and the one after it")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    print("\n| bytes per idle connection | ours | nghttpd | ratio |\n|---|---|---|---|")
    for name, is_tls in (("clear text", False), ("TLS", True)):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            tls = cpu.make_certificate(folder)
            servers = []
            try:
                ours, base, _, _ = cpu.start_ours(tls if is_tls else None)
                servers.append(ours)
                peer, peer_base = cpu.start_nghttpd(folder, options.port + is_tls, tls if is_tls else None)
                servers.append(peer)
                figures = [measure(server, url, options.connections, tls[1])
                           for server, url in ((ours, base), (peer, peer_base))]
            finally:
                for server in servers:
                    server.stop()
            print(f"| {name} | {figures[0]:,.0f} | {figures[1]:,.0f} | {figures[0] / figures[1]:.2f} |")


if __name__ == "__main__":
    main()
