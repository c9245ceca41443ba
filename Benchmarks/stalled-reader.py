#!/usr/bin/env python3
"""Measure a large stream: with a reader that stalls, and with one that reads everything.

    Benchmarks/stalled-reader.py [--accounts 3000000] [--seconds 20]

A line of the stream has about 340 bytes, so three million accounts are 1 GB. The reader stops after the first
contact. Meanwhile another client looks up one account. The table has the growth of the server's anonymous memory
(RssAnon), which includes the account list, and the latency of the other client before and during the stall. Needs the
release build of billing-service.
"""

import argparse
import re
import socket
import statistics
import struct
import sys
import threading
import time

from frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    get,
    read_exactly,
    read_frame,
)
from measuring import memory, start_service

LARGEST_WINDOW = 0x7FFFFFFF
DEFAULT_WINDOW = 65_535
INITIAL_WINDOW_SIZE = 4


def read_beginning(connection, is_http2):
    """Reads up to the first contact, and acknowledges PING frames."""
    seen = b""
    while b'"contact"' not in seen:
        if not is_http2:
            seen = seen[-16:] + read_exactly(connection, 1)
            continue
        kind, flags, _, payload = read_frame(connection)
        if kind == DATA:
            seen = seen[-16:] + payload
        elif kind == PING and not flags & ACK:
            connection.sendall(frame(PING, ACK, 0, payload))


def ask_for_stream(port, token, window):
    """A connection with a request for the stream: over HTTP/2 with that window, or over HTTP/1.1 for None."""
    connection = socket.create_connection(("127.0.0.1", port))
    if window is None:
        connection.sendall(
            f"GET /v2/billing/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        return connection
    fields = get(b"/v2/billing/stream", b"http", b"a", (b"authorization", b"Bearer " + token.encode()))
    connection.sendall(
        PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, window))
        + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - DEFAULT_WINDOW)) + frame(SETTINGS, ACK, 0)
        + frame(HEADERS, END_STREAM | END_HEADERS, 1, fields))
    return connection


class Bystander:
    """Looks up one account over HTTP/1.1, one request after another."""

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
                read_exactly(self.connection, rest)
            times.append(time.monotonic() - began)
            time.sleep(0.005)
        cuts = statistics.quantiles(times, n=100)
        return f"{cuts[49] * 1000:.2f} / {cuts[98] * 1000:.2f}"


def stall(name, port, token, account, window, seconds, pid):
    bystander = Bystander(port, token, account)
    before = bystander.run(3)
    reader = ask_for_stream(port, token, window)
    read_beginning(reader, window is not None)
    start = memory(pid, "RssAnon")
    highest = [start]

    def watch():
        while highest[-1] is not None:
            highest[0] = max(highest[0], memory(pid, "RssAnon"))
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
            highest = max(highest, memory(pid, "RssAnon"))
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
    server = start_service("--sandbox-accounts", str(options.accounts))
    try:
        pid, port, token, account = server.pid, server.port, server.token, server.account
        print("\n| stalled reader | KiB added | other client before, ms p50 / p99 | during the stall |")
        print("|---|---|---|---|")
        for name, window in (("HTTP/2, window of 64 KiB", DEFAULT_WINDOW),
                             ("HTTP/2, window of 2 GiB", LARGEST_WINDOW), ("HTTP/1.1", None)):
            stall(name, port, token, account, window, options.seconds, pid)
        total, seconds, highest = read_all(port, token, pid)
        print(f"\nThe whole stream, {total / 1e9:.2f} GB, with one reader: {seconds:.0f} s, "
              f"peak {highest / 1024 / 1024:,.0f} MiB, including the account list.")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
