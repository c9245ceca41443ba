#!/usr/bin/env python3
"""Measure how soon a change at one replica removes the old answer from the cache of another replica.

    Benchmarks/invalidation.py [--writes 300] [--binary .build/release/billing-service] [--appendfsync always]

Three replicas share a redis-server. Each write changes the contact of an account at the first replica. Meanwhile one
client asks the second replica again and again. `removed` is the time from the answer of the write to the last request
that was answered with the old contact, in milliseconds: negative if the old answer was removed before the write was
answered. `write` is the response time of the write. Needs the release build of billing-service and redis-server.
"""

import argparse
import json
import random
import select
import socket
import tempfile
import time
import uuid

from measuring import RELEASE_BINARY, Listener, Program, add_caller


class Connection:
    """HTTP/1.1 with as little work as possible between two requests."""

    def __init__(self, port, token):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fields = f"host: localhost\r\nauthorization: Bearer {token}\r\n"

    def send(self, method, path, body="", *fields):
        lines = "".join(f"{field}\r\n" for field in fields)
        if body:
            lines += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{self.fields}{lines}\r\n{body}".encode())

    def receive(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.read()
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += self.read()
        return int(lines[0].split()[1]), body

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        return data

    def ask(self, method, path, *rest):
        self.send(method, path, *rest)
        return self.receive()

    @property
    def is_answered(self):
        return bool(select.select([self.socket], [], [], 0)[0])


def send_change(connection, account, number):
    connection.send(
        "PATCH", f"/v2/accounts/{account}/billing", json.dumps({"phone_number": phone_number(number)}),
        f'idempotency-key: "{uuid.uuid4()}"')


def change(connection, account, number):
    """The status of a change."""
    send_change(connection, account, number)
    return connection.receive()[0]


def phone_number(number):
    return f"+1 555 {1_000_000 + number}"


def write_once(writer, reader, others, account, number):
    """Changes an account. Returns the times of `removed` and of `write` in milliseconds."""
    path, new = f"/v2/accounts/{account}/billing", phone_number(number)
    for connection in (writer, reader, *others):
        status, old = connection.ask("GET", path)
        if status != 200 or new.encode() in old:
            raise SystemExit(f"{status} {old}")
    start = time.monotonic()
    send_change(writer, account, number)
    answered = last_old = None
    while True:
        sent = time.monotonic()
        _, body = reader.ask("GET", path)
        if answered is None and writer.is_answered:
            # At the latest now. A request that is answered with the old contact after that counts in full.
            status, body_of_write = writer.receive()
            if status != 204:
                raise SystemExit(f"{status} {body_of_write}")
            answered = time.monotonic()
        if new.encode() not in body:
            last_old = sent
        elif answered is not None:
            return (last_old - answered) * 1000, (answered - start) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--binary", default=str(RELEASE_BINARY))
    parser.add_argument("--appendfsync", choices=["no", "everysec", "always"], default="no")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        credentials, callers = f"{folder}/credentials.json", f"{folder}/callers.json"
        zoom = Listener(
            "sandbox", "--sandbox-port", "0", "--sandbox-accounts", "1000", "--sandbox-credentials-file", credentials,
            binary=options.binary)
        token = add_caller(
            options.binary, callers, "caller", "--scopes", "billing:read,billing:export,billing:write")
        port = random.randrange(20_000, 32_000)
        redis = Program(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
             "--appendonly", "no" if options.appendfsync == "no" else "yes", "--appendfsync", options.appendfsync])
        redis.wait_for_port(port)
        base = f"http://127.0.0.1:{zoom.port}"
        flags = (
            "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--credentials-file", credentials,
            "--callers-file", callers, "--state-url", f"redis://127.0.0.1:{port}", "--zoom-plan", "business",
            "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token")
        replicas = [Listener("serve", *flags, binary=options.binary) for _ in range(3)]
        writer, reader, third = (Connection(replica.port, token) for replica in replicas)
        _, page = writer.ask("GET", "/v2/accounts?page_size=300")
        accounts = [account["id"] for account in json.loads(page)["accounts"]]
        # Some pay for themselves, and some have no plan.
        accounts = [account for account in accounts[:60] if change(writer, account, 0) == 204]
        times = [
            write_once(writer, reader, [third], accounts[number % len(accounts)], number + 1)
            for number in range(options.writes)]
        for program in (*replicas, redis, zoom):
            program.stop()
    for name, column in zip(("removed", "write"), zip(*times, strict=True), strict=True):
        ordered = sorted(column)
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        figures = "".join(f"{label} {ordered[int(len(ordered) * share)]:8.2f}  " for label, share in shares.items())
        print(f"{name:8}{figures}max {ordered[-1]:8.2f} ms")


if __name__ == "__main__":
    main()
