#!/usr/bin/env python3
"""What a large stream costs: to a reader that stalls, and to one that takes it all.

    Benchmarks/stalled-reader.py [--accounts 3000000] [--seconds 20]

A line of the stream has about 340 bytes, so three million accounts are 1 GB. The reader takes the beginning and then
nothing; meanwhile somebody else goes on asking for one account. Reported is what the stall adds to the server's anonymous
memory (RssAnon), which holds the list of the accounts as well, and how long the others wait, beside how long they waited
before. Needs the release build of billing-service.
"""

import argparse
import importlib.util
import pathlib
import re
import socket
import statistics
import struct
import sys
import threading
import time

spec = importlib.util.spec_from_file_location("idle", pathlib.Path(__file__).with_name("idle-connections.py"))
idle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(idle)

LARGEST_WINDOW = 0x7FFFFFFF
DEFAULT_WINDOW = 65_535


def read_beginning(connection, is_http2):
    """Reads up to the first contact, and answers what has to be answered on the way there."""
    seen = b""
    while b'"contact"' not in seen:
        if not is_http2:
            seen = seen[-16:] + idle.read_exactly(connection, 1)
            continue
        head = idle.read_exactly(connection, 9)
        payload = idle.read_exactly(connection, int.from_bytes(head[:3], "big"))
        if head[3] == 0:
            seen = seen[-16:] + payload
        elif head[3] == 6 and not head[4] & 1:
            connection.sendall(idle.frame(6, 1, 0, payload))


def ask_for_stream(port, token, window):
    """A connection that has asked for the stream: over HTTP/2 with that window, or over HTTP/1.1 for None."""
    connection = socket.create_connection(("127.0.0.1", port))
    if window is None:
        connection.sendall(
            f"GET /v2/billing/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        return connection
    fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/v2/billing/stream"),
              (b"authorization", b"Bearer " + token.encode())]
    connection.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + idle.frame(4, 0, 0, struct.pack(">HI", 4, window))
        + idle.frame(8, 0, 0, struct.pack(">I", LARGEST_WINDOW - DEFAULT_WINDOW)) + idle.frame(4, 1, 0)
        + idle.frame(1, 5, 1, b"".join(idle.literal(*field) for field in fields)))
    return connection


class Bystander:
    """Asks for one account, one request after another, over HTTP/1.1."""

    def __init__(self, port, token, account):
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.request = (f"GET /v2/accounts/{account}/billing HTTP/1.1\r\nHost: a\r\n"
                        f"Authorization: Bearer {token}\r\n\r\n").encode()

    def run(self, seconds):
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            self.connection.sendall(self.request)
            head = b""
            while b"\r\n\r\n" not in head:
                more = self.connection.recv(65_536)
                if not more:
                    sys.exit("the bystander's connection was closed")
                head += more
            if not head.startswith(b"HTTP/1.1 200 "):
                sys.exit(f"the bystander was answered {head.splitlines()[0]}")
            length = int(re.search(rb"content-length: (\d+)", head).group(1))
            rest = length - len(head.partition(b"\r\n\r\n")[2])
            if rest:
                idle.read_exactly(self.connection, rest)
            times.append(time.monotonic() - began)
            time.sleep(0.005)
        cuts = statistics.quantiles(times, n=100)
        return f"{cuts[49] * 1000:.2f} / {cuts[98] * 1000:.2f}"


def stall(name, port, token, account, window, seconds, pid):
    bystander = Bystander(port, token, account)
    before = bystander.run(3)
    reader = ask_for_stream(port, token, window)
    read_beginning(reader, window is not None)
    start = idle.memory(pid)
    highest = [start]

    def watch():
        while highest[-1] is not None:
            highest[0] = max(highest[0], idle.memory(pid))
            time.sleep(0.05)
    watcher = threading.Thread(target=watch)
    watcher.start()
    during = bystander.run(seconds)
    highest.append(None)
    watcher.join()
    reader.close()
    print(f"| {name} | {(highest[0] - start) / 1024:,.0f} | {before} | {during} |", flush=True)


def read_all(port, token, pid):
    began, total, highest, tail = time.monotonic(), 0, 0, b""
    reader = ask_for_stream(port, token, None)
    while b"0\r\n\r\n" not in tail[-5:]:
        bytes_read = reader.recv(1 << 20)
        if not bytes_read:
            sys.exit("the stream was cut")
        if total >> 26 != total + len(bytes_read) >> 26:
            highest = max(highest, idle.memory(pid))
        total += len(bytes_read)
        tail = (tail + bytes_read)[-400:]
    if b'"complete":true' not in tail:
        sys.exit("the stream has no end")
    return total, time.monotonic() - began, highest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=3_000_000)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    server, base, account, headers = idle.cpu.start_ours(None, "--sandbox-accounts", str(options.accounts))
    try:
        pid, port, token = server.process.pid, int(base.rsplit(":", 1)[1]), headers[1].split()[-1]
        print("\n| a reader that stalls | KiB added | others before, ms p50 / p99 | others meanwhile |\n|---|---|---|---|")
        for name, window in (("HTTP/2, its window 64 KiB", DEFAULT_WINDOW),
                             ("HTTP/2, its window 2 GiB", LARGEST_WINDOW), ("HTTP/1.1", None)):
            stall(name, port, token, account, window, options.seconds, pid)
        total, seconds, highest = read_all(port, token, pid)
        print(f"\nThe whole stream, {total / 1e9:.2f} GB, taken by one reader: {seconds:.0f} s, "
              f"{highest / 1024 / 1024:,.0f} MiB at most, the list of the accounts included.")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
