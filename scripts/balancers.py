#!/usr/bin/env python3
"""Restart, rotate and kill three replicas behind a balancer under load, and count failed requests.

    scripts/balancers.py --binary .build/release/billing-service --balancer haproxy|haproxy-tcp|nginx|envoy
        [--redis] [--envoy PATH] [--seconds 60] [--rate 200] [--accounts 5000] [--json FILE] [--folder FOLDER]
        [-- FLAGS]

Clients send lookups at a constant rate, and a slow reader reads a stream of all accounts. Meanwhile the replicas are
restarted one after another, certificates, credentials and callers' tokens are rotated, and a replica is killed. The
configurations of the balancers are those of deploy/. With --redis the replicas share their state. Exits with 1 if a
request fails that should not.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import socket
import ssl
import struct
import sys
import tempfile
import time
import traceback

import hpack

ROOT = pathlib.Path(__file__).resolve().parent.parent
STREAM = "/v2/billing/stream"
LOOKUP = re.compile(r'"client":"([^"]+)".*"route":"/v2/accounts/\{accountId\}/billing","status":(\d+)')

# Redis and each replica have their own address, so that no outgoing connection can get their port while they are down.
# Outgoing connections use 127.0.0.1 or the clients' address.
BALANCER, REPLICAS, CLIENT = "127.0.0.10", ("127.0.0.11", "127.0.0.12", "127.0.0.13"), "127.0.0.21"
REDIS = "127.0.0.14"

# Long-lived connections, and new connections a second with one request each.
CONNECTIONS, FRESH_RATE = 6, 4
# Number of accounts that most lookups are for, which are cached; and the fraction of those lookups.
HOT_ACCOUNTS, HOT_SHARE = 40, 0.7
# Bytes a second of the slow reader. A line has about 350 bytes.
READER_BYTES = 16_384
# Seconds: ten times what a quiet machine needs.
START_TIMEOUT, REQUEST_TIMEOUT, EVENT_TIMEOUT = 300, 120, 300


class Lost(Exception):
    """A request without a response. `is_unprocessed`: the server has declared it unprocessed (RFC 9113, 8.7)."""

    def __init__(self, kind, is_unprocessed=False):
        super().__init__(kind)
        self.kind, self.is_unprocessed = kind, is_unprocessed


# MARK: HTTP/2


class Exchange:
    """A request and its response."""

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.status, self.body = None, bytearray()
        self.changed = asyncio.Event()
        self.is_over, self.lost = False, None

    def end(self, lost=None):
        self.is_over, self.lost = True, lost
        self.connection.exchanges.pop(self.number, None)
        self.connection.changed.set()
        self.changed.set()

    async def whole(self):
        while not self.is_over:
            self.changed.clear()
            await self.changed.wait()
        if self.lost:
            raise self.lost
        return self.status, bytes(self.body)

    def credit(self, count):
        """Extends the server's flow-control window by `count` bytes."""
        if not self.is_over:
            self.connection.send(Connection.WINDOW_UPDATE, 0, self.number, struct.pack(">I", count))


class Connection(asyncio.Protocol):
    """A client's HTTP/2 connection, with the features that are needed to classify each request.

    The package h2 does not read from a connection after GOAWAY. This test needs the responses to earlier requests.
    """

    DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
    REFUSED_STREAM, INITIAL_WINDOW, STREAMS_MAX, ENABLE_PUSH = 7, 4, 3, 2
    ACK, END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
    WINDOW = 65_536

    def __init__(self):
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer, self.block, self.block_flags = bytearray(), bytearray(), 0
        self.exchanges, self.next_number = {}, 1
        self.streams_max, self.last_number, self.is_closed = 100, None, False
        self.changed = asyncio.Event()
        self.transport, self.serial, self.unread = None, None, 0

    @classmethod
    async def open(cls, host, port, tls=None):
        try:
            async with asyncio.timeout(START_TIMEOUT):
                _, connection = await asyncio.get_running_loop().create_connection(
                    cls, host, port, ssl=tls, server_hostname="localhost" if tls else None, local_addr=(CLIENT, 0))
        except (OSError, TimeoutError) as error:
            raise Lost(f"no connection: {type(error).__name__}") from error
        return connection

    @property
    def is_usable(self):
        return not self.is_closed and self.last_number is None

    @property
    def has_room(self):
        return len(self.exchanges) < self.streams_max

    def connection_made(self, transport):
        self.transport = transport
        if tls := transport.get_extra_info("ssl_object"):
            self.serial = tls.getpeercert()["serialNumber"]
        transport.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(self.SETTINGS, 0, 0, struct.pack(
            ">HIHI", self.ENABLE_PUSH, 0, self.INITIAL_WINDOW, self.WINDOW))
        self.send(self.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24))

    def send(self, kind, flags, number, payload=b""):
        if not self.is_closed:
            self.transport.write(struct.pack(">IBI", len(payload) << 8 | kind, flags, number) + payload)

    def get(self, path, token):
        return self.request("GET", path, token)

    def request(self, method, path, token, fields=(), body=b""):
        """Sends a request. The body must be smaller than the server's flow-control window."""
        exchange = Exchange(self, self.next_number)
        self.exchanges[self.next_number] = exchange
        fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path),
                  ("authorization", f"Bearer {token}"), *fields]
        end = 0 if body else self.END_STREAM
        self.send(self.HEADERS, end | self.END_HEADERS, self.next_number, self.encoder.encode(fields))
        if body:
            self.send(self.DATA, self.END_STREAM, self.next_number, body)
        self.next_number += 2
        return exchange

    def close(self):
        if self.transport:
            self.transport.close()

    def connection_lost(self, error):
        self.is_closed = True
        for exchange in list(self.exchanges.values()):
            exchange.end(Lost("connection lost", self.last_number is not None and exchange.number > self.last_number))
        self.changed.set()

    def data_received(self, data):
        self.buffer += data
        while len(self.buffer) >= 9:
            first, flags, number = struct.unpack_from(">IBI", self.buffer)
            length, kind = first >> 8, first & 255
            if len(self.buffer) < 9 + length:
                return
            payload = bytes(self.buffer[9:9 + length])
            del self.buffer[:9 + length]
            self.frame(kind, flags, number & 0x7FFF_FFFF, payload)

    def frame(self, kind, flags, number, payload):
        exchange = self.exchanges.get(number)
        if kind == self.DATA:
            self.unread += len(payload)
            if self.unread > 1 << 20:
                self.send(self.WINDOW_UPDATE, 0, 0, struct.pack(">I", self.unread))
                self.unread = 0
            if exchange:
                exchange.body += self.unpadded(flags, payload)
                exchange.changed.set()
        elif kind in (self.HEADERS, self.CONTINUATION):
            if kind == self.HEADERS:
                self.block, self.block_flags = bytearray(), flags
                payload = self.unpadded(flags, payload)[5 if flags & self.PRIORITY else 0:]
            self.block += payload
            if not flags & self.END_HEADERS:
                return
            # Always decoded, to keep the HPACK table in step with the server's.
            fields = dict(self.decoder.decode(bytes(self.block)))
            if exchange:
                exchange.status = int(fields.get(":status", exchange.status or 0))
                exchange.changed.set()
            flags = self.block_flags
        elif kind == self.RST_STREAM and exchange:
            code = struct.unpack(">I", payload)[0]
            exchange.end(Lost(f"reset with {code}", code == self.REFUSED_STREAM))
        elif kind == self.SETTINGS and not flags & self.ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == self.STREAMS_MAX:
                    self.streams_max = value
            self.send(self.SETTINGS, self.ACK, 0)
        elif kind == self.PING and not flags & self.ACK:
            self.send(self.PING, self.ACK, 0, payload)
        elif kind == self.GOAWAY:
            self.last_number = struct.unpack_from(">I", payload)[0] & 0x7FFF_FFFF
            for other in [other for other in self.exchanges.values() if other.number > self.last_number]:
                other.end(Lost("above GOAWAY", True))
            self.changed.set()
        if kind in (self.DATA, self.HEADERS, self.CONTINUATION) and flags & self.END_STREAM and exchange:
            exchange.end()
        if self.last_number is not None and not self.exchanges:
            self.close()

    def unpadded(self, flags, payload):
        return payload[1:len(payload) - payload[0]] if flags & self.PADDED else payload


async def answer_of(host, port, path, method="GET"):
    """Status and body of one HTTP/1.1 request in clear text; status 0 without a response."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        fields = f"Host: {host}\r\nContent-Length: 0\r\nConnection: close\r\n"
        writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body.decode()
    except (OSError, TimeoutError, IndexError):
        return 0, ""


# MARK: Programs


class Program:
    """A running program and its output."""

    def __init__(self, name, folder):
        self.name, self.path = name, folder / f"{name}.log"
        self.lines, self.process, self.readers, self.changed = [], None, [], asyncio.Condition()

    async def start(self, *command, environment=None):
        self.process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=os.environ | (environment or {}), start_new_session=True)
        self.readers = [
            asyncio.create_task(self.read(pipe)) for pipe in (self.process.stdout, self.process.stderr)]

    async def read(self, pipe):
        with self.path.open("a", encoding="utf-8") as log:
            while line := await pipe.readline():
                text = line.decode(errors="replace")
                log.write(text)
                log.flush()
                async with self.changed:
                    self.lines.append(text)
                    self.changed.notify_all()
        async with self.changed:
            self.changed.notify_all()

    async def line(self, pattern, after=0):
        """Waits for a line that matches, from line `after` on. Returns the match."""
        pattern, looked = re.compile(pattern), after
        async with asyncio.timeout(EVENT_TIMEOUT), self.changed:
            while True:
                for line in itertools.islice(self.lines, looked, None):
                    if match := pattern.search(line):
                        return match
                looked = len(self.lines)
                if self.readers and all(reader.done() for reader in self.readers):
                    raise RuntimeError(f"{self.name} has ended: {''.join(self.lines[-5:])}")
                await self.changed.wait()

    @property
    def is_running(self):
        return self.process is not None and self.process.returncode is None

    async def end(self, number=signal.SIGTERM, within=60):
        self.process.send_signal(number)
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def finish(self):
        """Ends the program and its children, in any state."""
        if self.is_running:
            try:
                await self.end(within=10)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                await self.process.wait()
        await asyncio.gather(*self.readers, return_exceptions=True)


class Replica(Program):
    def __init__(self, index, folder, binary, ports, flags):
        super().__init__(f"replica-{index + 1}", folder)
        self.host, self.ports, self.exits = REPLICAS[index], ports, []
        self.command = [
            binary, "serve", "--http-host", self.host, "--http-port", ports.service, "--ops-host", self.host,
            "--ops-port", ports.operations, *flags]

    async def begin(self):
        mark = len(self.lines)
        await self.start(*self.command)
        await self.line("Operations on", mark)
        async with asyncio.timeout(START_TIMEOUT):
            while (await answer_of(self.host, self.ports.operations, "/readyz"))[0] != 200:
                await asyncio.sleep(0.02)

    async def stop(self):
        code = await self.end()
        await asyncio.gather(*self.readers)
        self.exits.append(code)

    async def next_lookup(self):
        """Waits for the next lookup."""
        await self.line(LOOKUP, len(self.lines))

    def lookups(self):
        return [match for line in self.lines if (match := LOOKUP.search(line))]


class Redis(Program):
    """A redis-server with an append-only file, without a password."""

    def __init__(self, folder, ports, sync="everysec"):
        super().__init__("redis", folder)
        self.port, self.url = ports.redis, f"redis://{REDIS}:{ports.redis}"
        data = folder / "redis"
        data.mkdir()
        self.command = [
            "redis-server", "--bind", REDIS, "--port", self.port, "--dir", data, "--save", "", "--appendonly", "yes",
            "--appendfsync", sync]

    async def begin(self):
        mark = len(self.lines)
        await self.start(*self.command)
        await self.line("Ready to accept connections", mark)


async def run(*command, text=None):
    """The standard output of a command."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE)
    output, errors = await asyncio.wait_for(process.communicate(text and text.encode()), EVENT_TIMEOUT)
    if process.returncode:
        raise RuntimeError(f"{command[0]} {command[1]}: {errors.decode().strip()}")
    return output.decode().strip()


# MARK: Balancers


class Balancer(Program):
    """A balancer with its configuration in deploy/, and other names and ports."""

    speaks_http = True
    # Whether HTTP/2 clients see a normal end of an aborted stream, so that only the last line shows it.
    hides_breaks = False

    def __init__(self, options, folder, ports, certificates):
        super().__init__(options.balancer, folder)
        name = options.envoy if options.balancer == "envoy" else options.balancer.split("-")[0]
        # Debian installs some in /usr/sbin, which is not in every user's PATH.
        self.program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        if not self.program:
            raise RuntimeError(f"{name} is missing")
        self.run_folder = folder / "run"
        self.run_folder.mkdir()
        self.ports, self.certificates = ports, certificates
        self.values = {
            "LISTEN_ADDRESS": BALANCER, "LISTEN_PORT": ports.balancer, "SERVICE_PORT": ports.service,
            "OPS_PORT": ports.operations, "ADMIN_ADDRESS": BALANCER, "ADMIN_PORT": ports.administration,
            "STATS_SOCKET": self.run_folder / "admin.sock", "RUN": self.run_folder, "SECRETS": self.run_folder,
            "CERTIFICATE": certificates.certificate, "KEY": certificates.key,
            "CHECK_FAST_INTERVAL": "100ms", "FAIL_TIMEOUT": "1s"}
        self.values |= {f"REPLICA_{number}": host for number, host in enumerate(REPLICAS, 1)}
        self.values = {name: str(value) for name, value in self.values.items()}

    def render(self, path):
        text = (ROOT / "deploy" / path).read_text(encoding="utf-8")
        place = self.run_folder / pathlib.Path(path).name
        place.write_text(re.sub(r"\$\{(\w+)\}", lambda name: self.values[name[1]], text), encoding="utf-8")
        return place


class HAProxy(Balancer):
    file = "haproxy.cfg"
    # Observed with 2.6.12, with any protocol to the service; not for HTTP/1.1 clients.
    hides_breaks = True
    # Figures of the log: connections and queues. The last figure of the connections is the number of retries.
    retries = re.compile(r" \d+/\d+/\d+/\d+/\+?(\d+) \d+/\d+")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.values |= {"CHECK_INTERVAL": "200ms", "CERTIFICATE": str(self.certificates.both)}
        self.path = self.path.with_name("haproxy.log")
        self.configuration = ROOT / "deploy/haproxy" / self.file

    async def begin(self):
        environment = os.environ | self.values
        check = Program("haproxy-check", self.run_folder)
        await check.start(self.program, "-c", "-f", self.configuration, environment=environment)
        is_valid = await check.process.wait() == 0
        await self.start(self.program, "-W", "-f", self.configuration, environment=environment)
        await self.line("Loading success")
        return is_valid

    async def reload(self):
        self.process.send_signal(signal.SIGUSR2)
        await self.line("Loading success", len(self.lines))

    async def retried(self):
        return sum(int(match[1]) for line in self.lines if (match := self.retries.search(line)))


class HAProxyTCP(HAProxy):
    file = "haproxy-tcp.cfg"
    speaks_http, hides_breaks = False, False

    async def reload(self):
        """The certificate is the service's, which reloads it by itself."""


class Nginx(Balancer):
    async def begin(self):
        arguments = [self.program, "-p", self.run_folder, "-c", self.render("nginx/nginx.conf")]
        await run(*arguments, "-t")
        await self.start(*arguments, "-g", "daemon off;")
        return True

    async def reload(self):
        self.process.send_signal(signal.SIGHUP)

    async def retried(self):
        return sum(match[1].count(",") for line in self.lines if (match := re.search(r"upstream=\[(.*?)\]", line)))


class Envoy(Balancer):
    async def begin(self):
        self.values["CHECK_INTERVAL"] = "0.2s"
        self.render("envoy/certificate.yaml")
        arguments = [
            self.program, "-c", self.render("envoy/envoy.yaml"), "--concurrency", "2", "--log-level", "warning"]
        await run(*arguments, "--mode", "validate")
        await self.start(*arguments, "--disable-hot-restart")
        return True

    async def reload(self):
        """Envoy notices by itself that its files were replaced."""

    async def retried(self):
        _, text = await answer_of(BALANCER, self.ports.administration, "/stats?filter=billing.upstream_rq_retry$")
        return int(re.search(r": (\d+)", text)[1])


KINDS = {"haproxy": HAProxy, "haproxy-tcp": HAProxyTCP, "nginx": Nginx, "envoy": Envoy}


class Ports:
    """Free ports, chosen by the system."""

    def __init__(self):
        self.service, self.operations = self.free(*REPLICAS), self.free(*REPLICAS)
        self.balancer, self.administration = self.free(BALANCER), self.free(BALANCER)
        self.redis = self.free(REDIS)

    @staticmethod
    def free(*hosts):
        while True:
            with contextlib.ExitStack() as stack:
                port = 0
                try:
                    for host in hosts:
                        listener = stack.enter_context(socket.create_server((host, port)))
                        port = listener.getsockname()[1]
                    return port
                except OSError:
                    continue


class Certificates:
    """A certificate for localhost, its key and its authority."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.certificate, self.key, self.both = (folder / name for name in ("certificate.pem", "key.pem", "both.pem"))

    async def make_authority(self):
        await self.openssl(
            "req", "-x509", "-nodes", "-days", 2, "-subj", "/CN=Test CA", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", self.folder / "ca-key.pem", "-out", self.folder / "ca.pem")
        tls = ssl.create_default_context(cafile=self.folder / "ca.pem")
        tls.set_alpn_protocols(["h2"])
        return tls

    async def renew(self):
        """Replaces certificate and key. Returns the serial number."""
        self.count += 1
        key, request, signed = (self.folder / f"{name}-{self.count}" for name in ("key", "request", "signed"))
        await self.openssl("req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj",
                           "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", request)
        await self.openssl("x509", "-req", "-in", request, "-CA", self.folder / "ca.pem", "-CAkey",
                           self.folder / "ca-key.pem", "-days", 2, "-set_serial", 1000 + self.count, "-copy_extensions",
                           "copyall", "-out", signed)
        for text, place in ((signed.read_bytes(), self.certificate), (key.read_bytes(), self.key),
                            (signed.read_bytes() + key.read_bytes(), self.both)):
            beside = place.with_suffix(".new")
            beside.touch(mode=0o600)
            beside.write_bytes(text)
            beside.replace(place)
        return f"{1000 + self.count:04X}"

    @staticmethod
    async def openssl(*arguments):
        await run("openssl", *arguments)


# MARK: Clients


class Phase:
    def __init__(self, name):
        self.name, self.began, self.seconds = name, time.monotonic(), 0
        self.requests, self.resent, self.failed, self.times = 0, 0, collections.Counter(), []
        self.retried, self.on_replicas, self.lines, self.resumptions = 0, [], 0, 0
        # Requests that the sandbox has received.
        self.calls, self.access_tokens = 0, 0

    def quantile(self, share):
        return sorted(self.times)[min(len(self.times) - 1, int(len(self.times) * share))] * 1000 if self.times else 0

    def as_json(self):
        return {
            "phase": self.name, "seconds": round(self.seconds, 1), "requests": self.requests,
            "failed": sum(self.failed.values()), "failures": dict(self.failed), "resent": self.resent,
            "p50_ms": round(self.quantile(0.5), 1), "p99_ms": round(self.quantile(0.99), 1), "retried": self.retried,
            "calls": self.calls, "tokens": self.access_tokens, "replicas": self.on_replicas, "lines": self.lines,
            "resumptions": self.resumptions}


class Connections:
    """A number of connections through the balancer. One that accepts no more requests is replaced."""

    def __init__(self, number, port, tls):
        self.port, self.tls = port, tls
        self.all = [None] * number
        self.opening = [asyncio.Lock() for _ in range(number)]

    async def get(self, slot):
        while True:
            async with self.opening[slot]:
                connection = self.all[slot]
                if connection is None or not connection.is_usable:
                    connection = self.all[slot] = await Connection.open(BALANCER, self.port, self.tls)
            if connection.has_room:
                return connection
            connection.changed.clear()
            await connection.changed.wait()


class Load:
    """Lookups at a constant rate, whatever the latency, and their outcomes."""

    def __init__(self, port, tls, rate, billing, token):
        self.port, self.tls, self.rate, self.billing, self.token = port, tls, rate, billing, token
        self.accounts, self.random = sorted(billing), random.Random(1)
        self.connections = Connections(CONNECTIONS, port, tls)
        self.phase, self.serials, self.makes_fresh, self.tasks = None, collections.Counter(), True, set()

    async def run(self):
        began = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(max(0, began + number / self.rate - time.monotonic()))
            due, phase = began + number / self.rate, self.phase
            task = asyncio.create_task(self.look_up(number, due, phase))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def look_up(self, number, due, phase):
        is_hot = self.random.random() < HOT_SHARE
        account = self.random.choice(self.accounts[:HOT_ACCOUNTS] if is_hot else self.accounts)
        is_fresh = self.makes_fresh and number % max(1, self.rate // FRESH_RATE) == 0
        phase.requests += 1
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                kind = await self.look_up_once(account, number % CONNECTIONS, is_fresh, phase)
        except TimeoutError:
            kind = "timed out"
        except Lost as lost:
            kind = lost.kind
        if kind:
            phase.failed[kind] += 1
        else:
            phase.times.append(time.monotonic() - due)

    async def look_up_once(self, account, slot, is_fresh, phase):
        """The kind of failure, or None."""
        path = f"/v2/accounts/{account}/billing"
        for _ in range(3):
            opening = Connection.open(BALANCER, self.port, self.tls) if is_fresh else self.connections.get(slot)
            connection = await opening
            if is_fresh:
                self.serials[connection.serial] += 1
            try:
                status, body = await connection.get(path, self.token).whole()
            except Lost as lost:
                if not lost.is_unprocessed:
                    raise
                # As HTTP/2 clients do; it is safe for any method.
                phase.resent += 1
                continue
            finally:
                if is_fresh:
                    connection.close()
            if status != 200:
                return f"status {status} {body.decode(errors='replace')[:200]}"
            return None if json.loads(body).get("email") == self.billing[account] else "another account's billing"
        return "unprocessed three times"

    async def settle(self):
        """Waits for the requests in flight."""
        if self.tasks:
            await asyncio.wait(set(self.tasks))


class Reader:
    """Reads the stream of all accounts slowly, and resumes it."""

    HIDDEN = "END_STREAM without an end line"

    def __init__(self, load):
        self.load, self.records, self.after = load, [], None
        self.is_complete, self.is_fast, self.endings = False, asyncio.Event(), collections.Counter()

    async def run(self):
        while not self.is_complete:
            try:
                connection = await Connection.open(BALANCER, self.load.port, self.load.tls)
                try:
                    path = STREAM + (f"?after={self.after}" if self.after else "")
                    await self.read(connection.get(path, self.load.token))
                finally:
                    connection.close()
            except Lost as lost:
                self.endings[lost.kind] += 1
            if not self.is_complete:
                self.load.phase.resumptions += 1
                # A short pause before each attempt.
                await asyncio.sleep(0.1)

    async def read(self, exchange):
        rest, is_end = b"", False
        while True:
            if not exchange.body and not exchange.is_over:
                exchange.changed.clear()
                await exchange.changed.wait()
                continue
            if exchange.status != 200:
                await exchange.whole()
                raise Lost(f"status {exchange.status}")
            taken = bytes(exchange.body)
            exchange.body.clear()
            *lines, rest = (rest + taken).split(b"\n")
            for line in lines:
                is_end = self.take(json.loads(line))
            if exchange.is_over and not exchange.body:
                if exchange.lost:
                    raise exchange.lost
                self.is_complete = is_end and not rest
                if not self.is_complete:
                    # A client that relies on HTTP alone would take the stream for complete.
                    raise Lost(self.HIDDEN)
                return
            if not self.is_fast.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.is_fast.wait(), len(taken) / READER_BYTES)
            exchange.credit(len(taken))

    def take(self, record):
        if "account_id" in record:
            record.pop("as_of", None)
            self.records.append(record)
            self.after = record["account_id"]
            self.load.phase.lines += 1
        elif record["type"] == "error":
            self.endings[f"error line {record['code']}"] += 1
        return record["type"] == "end"


# MARK: The scenario


class Scenario:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.phases, self.checks, self.programs = [], [], []
        self.ports = Ports()
        self.certificates = Certificates(folder)
        self.share = options.seconds / 6

    def check(self, name, is_good, detail=""):
        self.checks.append((name, bool(is_good), detail))

    def keep(self, program):
        self.programs.append(program)
        return program

    async def reference(self):
        """The records of the stream of an undisturbed service."""
        service = self.keep(Program("reference", self.folder))
        await service.start(
            self.options.binary, "serve", "--sandbox", "--http-port", "0", "--ops-port", "0", "--sandbox-accounts",
            self.options.accounts)
        port = int((await service.line(r"Listening on http://127.0.0.1:(\d+)"))[1])
        token = (await service.line(r"authorization: Bearer ([^']+)'"))[1]
        connection = await Connection.open("127.0.0.1", port)
        exchange = connection.get(STREAM, token)
        read = 0
        while not exchange.is_over:
            exchange.changed.clear()
            await exchange.changed.wait()
            if len(exchange.body) > read:
                exchange.credit(len(exchange.body) - read)
                read = len(exchange.body)
        _, body = await exchange.whole()
        connection.close()
        await service.end()
        records = [json.loads(line) for line in body.splitlines()]
        if records[-1]["type"] != "end":
            raise RuntimeError("the undisturbed stream is not complete")
        for record in records:
            record.pop("as_of", None)
        return [record for record in records if "account_id" in record]

    async def prepare(self):
        options, folder = self.options, self.folder
        self.tls = await self.certificates.make_authority()
        self.serial = await self.certificates.renew()
        self.expected = await self.reference()
        self.credentials, self.callers = folder / "credentials.json", folder / "callers.json"
        self.zoom = self.keep(Program("sandbox", folder))
        await self.zoom.start(
            options.binary, "sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", self.credentials,
            "--sandbox-accounts", options.accounts, "--sandbox-latency", "50ms", "--sandbox-tokens", options.tokens)
        self.zoom_port = int((await self.zoom.line(r"Listening on http://127.0.0.1:(\d+)"))[1])
        token = await run(
            options.binary, "callers", "add", "--callers-file", self.callers, "--name", "apps", "--scopes",
            "billing:read,billing:export")
        self.balancer = self.keep(KINDS[options.balancer](options, folder, self.ports, self.certificates))
        zoom = f"http://127.0.0.1:{self.zoom_port}"
        if options.redis:
            redis = self.keep(Redis(folder, self.ports))
            await redis.begin()
            sharing = ["--state-url", redis.url]
        else:
            sharing = ["--zoom-token-file", folder / "tokens"]
        flags = [
            "--credentials-file", self.credentials, "--callers-file", self.callers, *sharing, "--zoom-api-url",
            f"{zoom}/v2", "--zoom-oauth-url", f"{zoom}/oauth/token", "--zoom-plan", "business", "--zoom-rate-share",
            "1", "--cache-ttl", "10s", "--log-access-sample", "1", "--log-level", options.log_level,
            "--shutdown-delay", f"{options.shutdown_delay}s", "--shutdown-grace", f"{options.shutdown_grace}s"]
        if self.balancer.speaks_http:
            flags += ["--http-trusted-proxies", "127.0.0.0/8"]
        else:
            flags += ["--http-proxy-protocol-trusted", "127.0.0.0/8", "--http-tls-certificate",
                      self.certificates.certificate, "--http-tls-key", self.certificates.key, "--http-connection-age",
                      f"{options.connection_age}s"]
        flags += options.flags
        self.replicas = [
            self.keep(Replica(index, folder, options.binary, self.ports, flags)) for index in range(len(REPLICAS))]
        await asyncio.gather(*(replica.begin() for replica in self.replicas))
        self.check("the configuration passes the balancer's own check", await self.balancer.begin())
        billing = {
            record["account_id"]: record["billing"].get("email") for record in self.expected
            if record["type"] == "contact"}
        self.load = Load(self.ports.balancer, self.tls, options.rate, billing, token.splitlines()[-1])
        # The balancer is ready when a lookup through it succeeds.
        self.load.phase = Phase("start")
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                with contextlib.suppress(Lost):
                    if await self.load.look_up_once(self.load.accounts[0], 0, False, self.load.phase) is None:
                        return
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def phase(self, name, at_least=None):
        phase = self.load.phase = Phase(name)
        self.phases.append(phase)
        before, counts = await self.balancer.retried(), [len(replica.lookups()) for replica in self.replicas]
        calls = await self.calls()
        print(f"{name} …", file=sys.stderr, flush=True)
        yield phase
        await asyncio.sleep(max(0, phase.began + (self.share if at_least is None else at_least) - time.monotonic()))
        await self.load.settle()
        phase.seconds = time.monotonic() - phase.began
        phase.retried = await self.balancer.retried() - before
        after = await self.calls()
        phase.calls = sum(after.values()) - sum(calls.values())
        phase.access_tokens = after["token"] - calls["token"]
        phase.on_replicas = [
            len(replica.lookups()) - count for replica, count in zip(self.replicas, counts, strict=True)]

    async def run(self):
        await self.prepare()
        self.reader = Reader(self.load)
        self.load.phase = Phase("start")
        tasks = [asyncio.create_task(self.load.run()), asyncio.create_task(self.reader.run())]
        try:
            await self.disturb(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def disturb(self, tasks):
        load, reader = tasks
        async with self.phase("undisturbed"):
            await asyncio.gather(*(replica.next_lookup() for replica in self.replicas))
        async with self.phase("rolling restart"):
            await self.restart_all()
        async with self.phase("certificates"):
            await self.rotate_certificates()
        if self.options.redis:
            taken = (await self.calls())["token"]
            self.check("all replicas, also restarted ones, use one access token before the rotation", taken == 1, taken)
        async with self.phase("credentials, tokens") as rotation:
            await self.rotate_credentials()
            await self.rotate_tokens()
        async with self.phase("a replica killed") as killed:
            in_flight = await self.kill_one(killed)
        if not self.balancer.speaks_http:
            await self.age()
        async with self.phase("rest of the stream", at_least=0):
            self.reader.is_fast.set()
            # At most 60 accounts a second, the plan's rate.
            await asyncio.wait_for(reader, 30 + self.options.accounts / 10)
        load.cancel()
        await self.load.settle()
        for phase in self.phases:
            if phase is not killed or self.balancer.speaks_http:
                failed = sum(phase.failed.values())
                self.check(f"{phase.name}: no request failed", not failed, f"{dict(phase.failed)}")
            else:
                # Only the clients retry.
                self.check(
                    f"{phase.name}: no more failures than requests in flight",
                    sum(phase.failed.values()) <= in_flight
                    and all(kind.startswith(("connection lost", "no connection")) for kind in phase.failed),
                    f"{in_flight}: {dict(phase.failed)}")
        self.check_stream()
        if self.options.redis:
            later = {phase.name: phase.access_tokens for phase in self.phases[self.phases.index(rotation) + 1:]}
            self.check("no access token is obtained after the rotation", not any(later.values()), f"{later}")
        lookups = [match for replica in self.replicas for match in replica.lookups()]
        self.check("the replicas log the clients' address", {match[1] for match in lookups} == {CLIENT})
        exits = [code for replica in self.replicas for code in replica.exits]
        self.check("stopped replicas exit with 0", exits and not any(exits), f"{exits}")

    async def restart_all(self):
        for replica in self.replicas:
            await replica.stop()
            await replica.begin()
            # The next replica only when this one has requests again.
            await replica.next_lookup()

    async def rotate_certificates(self):
        marks = [len(replica.lines) for replica in self.replicas]
        self.serial = await self.certificates.renew()
        if not self.balancer.speaks_http:
            await asyncio.gather(*(
                replica.line("reloaded the TLS certificate", mark)
                for replica, mark in zip(self.replicas, marks, strict=True)))
        await self.balancer.reload()
        async with asyncio.timeout(EVENT_TIMEOUT):
            while (connection := await Connection.open(BALANCER, self.ports.balancer, self.tls)).serial != self.serial:
                connection.close()
                await asyncio.sleep(0.05)
        connection.close()
        seen = self.load.serials[self.serial]
        async with asyncio.timeout(EVENT_TIMEOUT):
            while self.load.serials[self.serial] == seen:
                await asyncio.sleep(0.05)
        self.check("new connections get the new certificate", True)

    async def reloaded(self, title, change):
        """Changes a file, and waits until every replica has reloaded it."""
        marks = [len(replica.lines) for replica in self.replicas]
        result = await change
        await asyncio.gather(*(
            replica.line(f"reloaded the {title}", mark)
            for replica, mark in zip(self.replicas, marks, strict=True)))
        return result

    async def rotate_credentials(self):
        master = json.loads(self.credentials.read_text(encoding="utf-8"))["masters"][0]
        rotate = [self.options.binary, "credentials", "rotate", "--credentials-file", self.credentials, "--name",
                  master["name"]]
        secret = secrets.token_hex(16)
        await run(
            "curl", "--silent", "--fail", "--data", "@-", f"http://127.0.0.1:{self.zoom_port}/sandbox/secret",
            text=json.dumps({"client_id": master["client_id"], "client_secret": secret}))
        await self.reloaded("credentials", run(*rotate, text=secret + "\n"))
        before = (await self.calls())["token"]
        # Earlier tokens become invalid.
        await answer_of("127.0.0.1", self.zoom_port, "/sandbox/tokens/revoke", "POST")
        async with asyncio.timeout(EVENT_TIMEOUT):
            while (after := (await self.calls())["token"]) == before:
                await asyncio.sleep(0.05)
        self.check("an access token is obtained with the new secret", after > before)

    async def calls(self):
        """The number of requests for each operation that the sandbox has received."""
        return json.loads((await answer_of("127.0.0.1", self.zoom_port, "/sandbox/counts"))[1])["operations"]

    async def rotate_tokens(self):
        command = [self.options.binary, "callers"]
        caller = ["--callers-file", self.callers, "--name", "apps"]
        old = self.load.token
        output = await self.reloaded("callers", run(*command, "rotate", *caller))
        self.load.token = output.splitlines()[-1]
        # Requests with the old token complete first.
        await self.load.settle()
        await self.reloaded("callers", run(*command, "revoke", "--previous", *caller))
        connection = await Connection.open(BALANCER, self.ports.balancer, self.tls)
        status, _ = await connection.get(f"/v2/accounts/{self.load.accounts[0]}/billing", old).whole()
        connection.close()
        self.check("the old token is refused", status == 401, f"{status}")

    async def kill_one(self, phase):
        """Kills a replica and starts it again. Returns the number of requests in flight, or sent until it was gone."""
        replica = self.replicas[1]
        # Requests from here on belong to this phase.
        await self.load.settle()
        in_flight = len(self.load.tasks) - phase.requests
        # The system needs time to clear a killed process, and keeps its connections meanwhile.
        await replica.end(signal.SIGKILL)
        in_flight += phase.requests
        await asyncio.gather(*replica.readers)
        await asyncio.sleep(self.share / 2)
        await replica.begin()
        await replica.next_lookup()
        return in_flight

    async def age(self):
        """Without new clients, a new replica gets connections only when others reach their age."""
        age = self.options.connection_age
        self.load.makes_fresh = False
        async with self.phase("one more restart", at_least=0):
            await self.replicas[0].stop()
            await self.replicas[0].begin()
        async with self.phase("just after it", at_least=age / 4) as first:
            pass
        async with self.phase("connections reach their age", at_least=age * 1.2):
            pass
        async with self.phase("connections moved", at_least=self.share) as moved:
            pass
        share = moved.on_replicas[0] / max(1, sum(moved.on_replicas))
        self.check(
            "connections have moved to the new replica", share > 0.1, f"{first.on_replicas} → {moved.on_replicas}")
        self.load.makes_fresh = True

    def check_stream(self):
        got, expected = self.reader.records, self.expected
        pairs = enumerate(zip(got, expected, strict=False))
        difference = next((index for index, (one, other) in pairs if one != other), None)
        self.check(
            "the stream has the same lines as that of an undisturbed service", got == expected,
            f"{len(got)} of {len(expected)} lines, the first difference at {difference}")
        ids = [record["account_id"] for record in got]
        self.check("each account has one line, in order", ids == sorted(set(ids)))
        self.check("the stream was interrupted and resumed", sum(phase.resumptions for phase in self.phases) > 0)
        if not self.balancer.hides_breaks:
            self.check(
                "no interrupted stream ended normally", not self.reader.endings[self.reader.HIDDEN])

    def report(self):
        columns = (
            "phase", "seconds", "requests", "failed", "resent", "p50_ms", "p99_ms", "retried", "calls", "tokens",
            "replicas", "lines", "resumptions")
        print("| " + " | ".join(name.replace("_", " ") for name in columns) + " |")
        print("|" + "---|" * len(columns))
        for phase in map(Phase.as_json, self.phases):
            phase["replicas"] = " ".join(map(str, phase["replicas"]))
            print("| " + " | ".join(str(phase[name]) for name in columns) + " |")
        for phase in self.phases:
            for kind, count in phase.failed.items():
                print(f"{phase.name}: {count} failed: {kind}")
        print(f"interruptions of the stream: {dict(self.reader.endings)}")
        for name, is_good, detail in self.checks:
            print(f"{'ok' if is_good else 'FAILED'}: {name}{'' if is_good or not detail else f' ({detail})'}")
        if self.options.json:
            document = {
                "balancer": self.options.balancer, "redis": self.options.redis, "rate": self.options.rate,
                "accounts": self.options.accounts,
                "phases": [phase.as_json() for phase in self.phases], "stream_endings": dict(self.reader.endings),
                "checks": [{"name": name, "good": good, "detail": detail} for name, good, detail in self.checks]}
            pathlib.Path(self.options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


async def main(options, folder):
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    scenario = Scenario(options, folder)
    try:
        async with asyncio.timeout(600 + options.seconds * 3 + options.accounts / 10):
            await scenario.run()
    except (OSError, TimeoutError, RuntimeError, Lost) as error:
        traceback.print_exc()
        scenario.check("the scenario completed", False, f"{type(error).__name__}: {error}")
    finally:
        for program in reversed(scenario.programs):
            await program.finish()
    scenario.report()
    failed = sum(not is_good for _, is_good, _ in scenario.checks)
    print(f"{len(scenario.checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / ".build/release/billing-service", type=pathlib.Path)
    parser.add_argument("--balancer", choices=KINDS, required=True)
    parser.add_argument("--redis", action="store_true", help="the replicas share a redis-server")
    parser.add_argument("--envoy", default=str(pathlib.Path(sys.executable).parent / "envoy"), help="path of Envoy")
    parser.add_argument("--seconds", type=float, default=60, help="minimum length of the disturbances")
    parser.add_argument("--rate", type=int, default=200, help="lookups a second")
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--tokens", choices=("coexisting", "superseding"), default="coexisting",
                        help="whether a new access token invalidates older ones")
    parser.add_argument("--shutdown-delay", type=int, default=1)
    parser.add_argument("--shutdown-grace", type=int, default=2)
    parser.add_argument("--connection-age", type=int, default=4, help="with haproxy-tcp")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--json", help="file for the measurements")
    parser.add_argument("--folder", type=pathlib.Path, help="folder for the logs")
    parser.add_argument("flags", nargs="*", metavar="FLAGS", help="more flags for the replicas, after --")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        if chosen.folder:
            chosen.folder.mkdir(parents=True, mode=0o700)
        place = chosen.folder or pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        sys.exit(asyncio.run(main(chosen, place.resolve())))
