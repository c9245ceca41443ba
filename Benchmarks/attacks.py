#!/usr/bin/env python3
"""Measure attacks: how soon the server disconnects the attacker, its memory, and the latency of another client.

    Benchmarks/attacks.py [--attackers 100] [--seconds 3]

Each attack has a new server. It runs from one connection, then from many that reconnect when they are disconnected. A
client in another process looks up one account twenty times a second, before and during the attack. The table has the
longest time until an attacker was disconnected, the peak memory (VmHWM) above that before, the memory a little later,
the client's errors, and its p99 before and during the attack in ms. Many attackers use the same cores as the server,
which explains most of the p99. Needs the release build of billing-service.
"""

import argparse
import contextlib
import multiprocessing
import pathlib
import re
import socket
import statistics
import struct
import threading
import time

import measuring
from frames import GREETING, frame, get, literal

GET = get(b"/")
POST = GET.replace(b"\x03GET", b"\x04POST")


def streams(count, make):
    return b"".join(make(2 * number + 1) for number in range(count))


ATTACKS = {
    "streams reset": streams(2000, lambda stream: frame(1, 5, stream, GET) + frame(3, 0, stream, b"\0\0\0\x08")),
    "streams that must be reset": streams(
        1000, lambda stream: frame(1, 4, stream, POST + literal(b"content-length", b"1")) + frame(0, 0, stream, b"aa")),
    "CONTINUATION": frame(1, 0, 1, GET) + frame(9, 0, 1, literal(b"a", b"b")) * 20,
    "HPACK bomb": frame(1, 5, 1, GET + b"\x40\x01a\x7f\xa1\x1e" + b"a" * 4000 + b"\xbe" * 12_000),
    "empty fields": frame(1, 5, 1, GET + b"\x40\x01a\x00" + b"\xbe" * 15_000),
    "PING": frame(6, 0, 0, bytes(8)) * 10_000,
    "SETTINGS": frame(4, 0, 0) * 10_000,
    "PRIORITY": streams(10_000, lambda stream: frame(2, 0, stream, b"\0\0\0\0\x0f")),
    "unknown frames": frame(0xFA, 0, 0) * 200_000,
    "empty DATA": frame(1, 4, 1, POST) + frame(0, 0, 1) * 10_000,
    "window updates": frame(8, 0, 0, struct.pack(">I", 1)) * 20_000,
}


def attack(port, data):
    """Seconds until the server disconnects."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(GREETING)
        began = time.monotonic()
        try:
            connection.settimeout(20)
            sender = threading.Thread(target=lambda: send(connection, data))
            sender.start()
            seen = b""
            # GOAWAY with ENHANCE_YOUR_CALM, or the end of the connection.
            while re.search(rb"\x00\x00.\x07\x00\x00\x00\x00\x00.{4}\x00\x00\x00\x0b", seen, re.S) is None:
                more = connection.recv(1 << 16)
                if not more:
                    break
                seen = seen[-40:] + more
        except OSError:
            pass
        took = time.monotonic() - began
    sender.join()
    return took


def send(connection, data):
    with contextlib.suppress(OSError):
        connection.sendall(data)


def bystander(port, path, token, phase, results):
    """Sends requests while `phase` is 0 and while it is 1, and reports errors and p99 of both."""
    fields = (f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n").encode()
    connection = socket.create_connection(("127.0.0.1", port))
    times, errors = [[], []], 0
    while phase.value < 2:
        now, began = phase.value, time.monotonic()
        try:
            connection.sendall(fields)
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(1 << 16)
                if not more:
                    raise OSError
                head += more
            length = int(re.search(rb"content-length: (\d+)", head).group(1))
            while len(head.partition(b"\r\n\r\n")[2]) < length:
                head += connection.recv(1 << 16)
            errors += not head.startswith(b"HTTP/1.1 200 ")
        except OSError:
            errors += 1
            connection = socket.create_connection(("127.0.0.1", port))
        times[now].append(time.monotonic() - began)
        time.sleep(0.05)
    results.put((errors, [p99(part) * 1000 for part in times]))


def p99(times):
    return statistics.quantiles(times, n=100)[98] if len(times) > 1 else 0


def attackers(port, data, seconds, results):
    longest, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        longest = max(longest, attack(port, data))
    results.put(longest)


def measure(name, data, count, seconds):
    server = measuring.start_service()
    try:
        pid, port, token, account = server.pid, server.port, server.token, server.account
        attack(port, data)
        time.sleep(0.5)
        phase, results, longest = multiprocessing.Value("i", 0), multiprocessing.Queue(), multiprocessing.Queue()
        other = multiprocessing.Process(
            target=bystander, args=(port, f"/v2/accounts/{account}/billing", token, phase, results))
        other.start()
        time.sleep(max(3, seconds))
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        before = measuring.mebibytes(pid, "VmRSS")
        phase.value = 1
        threads = [threading.Thread(target=attackers, args=(port, data, seconds, longest)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        phase.value = 2
        peak = measuring.mebibytes(pid, "VmHWM")
        errors, (quiet, during) = results.get()
        other.join()
        time.sleep(1.5)
        after = measuring.mebibytes(pid, "VmRSS")
        worst = max(longest.get() for _ in threads)
        print(f"| {name} | {count} | {worst:.3f} | {peak - before:.1f} | {after - before:+.1f} of {before:.0f} | "
              f"{errors} | {quiet:.1f} | {during:.1f} |", flush=True)
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attackers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", help="run the attacks whose name contains this")
    options = parser.parse_args()
    print("\n| attack | connections | disconnected after, s | peak MiB | MiB left | errors | p99 before | during |\n"
          "|---|---|---|---|---|---|---|---|")
    for name, data in ATTACKS.items():
        if options.only and options.only not in name:
            continue
        for count in (1, options.attackers):
            measure(name, data, count, options.seconds)


if __name__ == "__main__":
    main()
