#!/usr/bin/env python3
"""Measure connections: handshakes, memory when idle, 10,000 at once, and two event loops.

    Benchmarks/connections.py [--only handshakes,idle,burst,loops] [--rounds 9] [--handshakes 2000]
        [--connections 1000,10000] [--binary FILE]

- handshakes: CPU time of a new connection, from accepting it to closing it: in clear text, with a full TLS handshake
  and with a resumed one. The client sends the preface of HTTP/2 and reads the first frame; it sends no request. TLS
  1.3, a P-256 key, and the groups and tickets of each server's defaults. Beside nghttpd, nginx and, if it is installed,
  h2o.
- idle: growth of the anonymous memory (RssAnon in /proc/PID/status) for each connection that has had one request
  answered. Beside nghttpd and nginx. Also the memory that nghttp2 and OpenSSL alone hold for such a connection.
- burst: h2load opens all connections at once, and sends ten requests over each, one after another.
- loops: one process with two event loops, beside two processes with one each; two clients, and all share both cores.

Every part but the last gives the server core 0 and the client core 1. Needs the release build of billing-service,
nghttpd, nginx, h2load, openssl and clang, and as many open files (ulimit -n) as connections.
"""

import argparse
import os
import pathlib
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from frames import DATA, END_HEADERS, END_STREAM, GREETING, HEADERS, frame, get, read_frame
from measuring import (
    LOAD_CORE,
    RELEASE_BINARY,
    SERVICE_CORE,
    Program,
    Service,
    cpu_seconds,
    make_certificate,
    mebibytes,
    memory,
    require_tools,
    spread,
    start_nghttpd,
    start_nginx,
    start_service,
    stopped_at_end,
    write_file,
)

HERE = pathlib.Path(__file__).resolve().parent
OURS = "billing-service"
# The service answers 401, and the other servers 200 with this file.
PATH, BODY = "/v2/accounts/no-id-here/billing", "x" * 199 + "\n"
# More connections than the default limits permit, from one address.
LIMITS = ("--http-limits-connections", "11000", "--http-limits-connections-per-address", "11000",
          "--http-limits-handshakes", "11000", "--http-limits-requests-in-flight", "11000")
CLIENT_THREADS = 4


def start_h2o(folder, port, tls):
    write_file(folder / "h2o", PATH, BODY)
    configuration = folder / f"h2o-{port}.yaml"
    listen = f"{{host: 127.0.0.1, port: {port}"
    if tls:
        # Neverbleed would sign in another process, whose CPU time is not counted.
        listen += (
            f", ssl: {{key-file: {tls[0]}, certificate-file: {tls[1]}, minimum-version: TLSv1.3, neverbleed: OFF}}")
    configuration.write_text(
        f"listen: {listen}}}\nuser: root\nnum-threads: 1\nmax-connections: 11000\npid-file: {folder}/h2o-{port}.pid\n"
        f"hosts: {{default: {{paths: {{/: {{file.dir: {folder}/h2o}}}}}}}}\n")
    server = Program(["h2o", "-c", configuration], SERVICE_CORE)
    server.wait_for_port(port)
    return server


class Server:
    """A running server, and its port. The client may speak HTTP/1.1 to nginx and to the service."""

    def __init__(self, name, folder, port, tls, binary, *, http1=False):
        self.name, self.port = name, port
        match name:
            case "nghttpd":
                self.program, _ = start_nghttpd(folder, port, PATH, BODY, tls)
            case "nginx":
                write_file(folder / "nginx", PATH, BODY)
                self.program = start_nginx(
                    folder, port, f"root {folder}/nginx;", tls, http2=not http1,
                    directives="keepalive_timeout 1h; keepalive_requests 100000000;")
            case "h2o":
                self.program = start_h2o(folder, port, tls)
            case _:
                self.program = start_service(*LIMITS, tls=tls, binary=binary)
                self.port = self.program.port

    @property
    def pid(self):
        return self.program.pid

    def stop(self):
        self.program.stop()


def client_context(http1=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1" if http1 else "h2"])
    return context


# MARK: Handshakes


def open_and_close(port, context, session=None):
    """Open a connection, read the server's first frame, and close it.

    Returns the TLS session, and whether it is a resumed one.
    """
    with socket.create_connection(("127.0.0.1", port)) as plain:
        connection = context.wrap_socket(plain, server_hostname="localhost", session=session) if context else plain
        with connection:
            connection.sendall(GREETING)
            read_frame(connection)
            return (connection.session, connection.session_reused) if context else (None, False)


def connections_cpu(server, context, session, count):
    """CPU microseconds of a connection at the server."""
    def run(share):
        return sum(open_and_close(server.port, context, session)[1] for _ in range(share))

    before = cpu_seconds(server.pid)
    with ThreadPoolExecutor(CLIENT_THREADS) as pool:
        resumed = sum(pool.map(run, [count // CLIENT_THREADS] * CLIENT_THREADS))
    # The server has to see that the last ones were closed.
    time.sleep(0.1)
    if resumed != (count // CLIENT_THREADS * CLIENT_THREADS if session else 0):
        sys.exit(f"{server.name} resumed {resumed} of {count} sessions")
    return (cpu_seconds(server.pid) - before) / count * 1e6


def compare_handshakes(options):
    names = [OURS, "nghttpd", "nginx"]
    if shutil.which("h2o"):
        names.append("h2o")
    else:
        print("h2o is not installed (Debian: h2o)")
    kinds = ("clear text", "full", "resumed")
    figures = {kind: {name: [] for name in names} for kind in kinds}
    with tempfile.TemporaryDirectory() as temporary, stopped_at_end() as running:
        folder = pathlib.Path(temporary)
        certificate = make_certificate(folder)
        clear, secure = {}, {}
        for index, name in enumerate(names):
            for servers, tls, port in ((clear, None, index), (secure, certificate, index + len(names))):
                servers[name] = Server(name, folder, options.port + port, tls, options.binary)
                running.append(servers[name])
        context = client_context()
        for number in range(options.rounds):
            for name in names[::-1 if number % 2 else 1]:
                session, _ = open_and_close(secure[name].port, context)
                for kind, server, way in (
                        ("clear text", clear, (None, None)), ("full", secure, (context, None)),
                        ("resumed", secure, (context, session))):
                    figures[kind][name].append(connections_cpu(server[name], *way, options.handshakes))
    print("\n| new connection | server | CPU us, median (min-max) | a second and core | billing-service to it |\n"
          "|---|---|---|---|---|")
    for kind in kinds:
        for name, cpu in figures[kind].items():
            ratio = [own / other for own, other in zip(figures[kind][OURS], cpu, strict=True)]
            print(f"| {kind} | {name} | {spread(cpu, 0)} | {1e6 / statistics.median(cpu):,.0f} | {spread(ratio)} |")


# MARK: Idle connections


def one_request(connection, http1, scheme):
    """Send a request, and read the response to its end."""
    if not http1:
        fields = get(PATH.encode(), scheme, b"localhost")
        connection.sendall(GREETING + frame(HEADERS, END_STREAM | END_HEADERS, 1, fields))
        while True:
            kind, flags, stream, _ = read_frame(connection)
            if kind in (DATA, HEADERS) and flags & END_STREAM and stream == 1:
                return
    connection.sendall(b"GET " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    text = b""
    while True:
        head, end, body = text.partition(b"\r\n\r\n")
        if end:
            length = next(
                int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
            if len(body) == length:
                return
        more = connection.recv(65_536)
        if not more:
            sys.exit("a connection was closed")
        text += more


def idle_memory(server, count, tls, http1):
    """Bytes of anonymous memory that each of `count` idle connections adds."""
    context = client_context(http1) if tls else None

    def connect():
        connection = socket.create_connection(("127.0.0.1", server.port))
        if context:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        one_request(connection, http1, b"https" if tls else b"http")
        return connection

    for _ in range(20):
        connect().close()
    time.sleep(0.5)
    before = memory(server.pid, "RssAnon")
    connections = [connect() for _ in range(count)]
    time.sleep(1)
    grown = memory(server.pid, "RssAnon") - before
    open_files = len(list(pathlib.Path(f"/proc/{server.pid}/fd").iterdir()))
    if open_files < count:
        sys.exit(f"{server.name} has closed connections: only {open_files} files are open")
    for connection in connections:
        connection.close()
    return grown / count


def library_memory(folder, tls):
    """The memory that nghttp2 and OpenSSL hold for an idle connection: bytes allocated, and bytes resident."""
    program = folder / "library-memory"
    subprocess.run(
        ["clang", "-O2", "-o", str(program), str(HERE / "peers/library-memory.c"), "-lnghttp2", "-lssl", "-lcrypto"],
        check=True)
    request = folder / "request"
    request.write_bytes(
        GREETING + frame(HEADERS, END_STREAM | END_HEADERS, 1, get(PATH.encode(), b"http", b"localhost")))
    return [
        subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout.split()
        for command in ((program, "nghttp2", 1000, request), (program, "openssl", 1000, tls[1], tls[0]))]


def compare_idle(options):
    cases = (("HTTP/2", False, False), ("HTTP/2 over TLS", True, False), ("HTTP/1.1", False, True),
             ("HTTP/1.1 over TLS", True, True))
    print("\n| bytes per idle connection | connections | billing-service | nghttpd | nginx | to nghttpd | to nginx |\n"
          "|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        certificate = make_certificate(folder)
        port = options.port
        for title, is_tls, http1 in cases:
            for count in options.connections:
                figures = {}
                for name in (OURS, "nginx") if http1 else (OURS, "nghttpd", "nginx"):
                    # Another port for each server: closed connections to the last one still occupy pairs of ports.
                    port += 1
                    server = Server(
                        name, folder, port, certificate if is_tls else None, options.binary, http1=http1)
                    with stopped_at_end(server):
                        figures[name] = idle_memory(server, count, is_tls, http1)
                cells = [f"{figures[name]:,.0f}" if name in figures else "" for name in (OURS, "nghttpd", "nginx")]
                cells += [f"{figures[OURS] / figures[name]:.2f}" if name in figures else ""
                          for name in ("nghttpd", "nginx")]
                print(f"| {title} | {count:,} | {' | '.join(cells)} |", flush=True)
        libraries = library_memory(folder, certificate)
    for name, (allocated, resident) in zip(("nghttp2", "OpenSSL"), libraries, strict=True):
        print(f"\n{name} alone, in a program that does nothing else: {allocated} bytes allocated, {resident} resident.")


# MARK: Many connections at once


def burst(server, scheme, count):
    """h2load's summary of `count` connections at once, with the server's CPU time and memory."""
    pathlib.Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    before, start = mebibytes(server.pid, "VmRSS"), time.monotonic()
    cpu = cpu_seconds(server.pid)
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "h2load", "-n", str(count * 10), "-c", str(count), "-m", "1",
         f"{scheme}://127.0.0.1:{server.port}{PATH}"], capture_output=True, text=True, check=True).stdout
    seconds, cpu = time.monotonic() - start, cpu_seconds(server.pid) - cpu
    line = next(line for line in output.splitlines() if line.startswith("requests:"))
    numbers = {word.split()[1]: int(word.split()[0]) for word in line.removeprefix("requests:").split(",")}
    # `failed` also counts the service's 401.
    lost = numbers["total"] - numbers["done"] + numbers["errored"] + numbers["timeout"]
    peak = mebibytes(server.pid, "VmHWM") - before
    return f"{lost} of {numbers['total']:,} | {seconds:.1f} | {cpu:.1f} | {peak:.0f}"


def compare_bursts(options):
    count = max(options.connections)
    print(f"\n| {count:,} connections at once, ten requests each | server | lost | s | CPU s | peak MiB added |\n"
          "|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        certificate = make_certificate(folder)
        for index, (scheme, tls) in enumerate((("http", None), ("https", certificate))):
            for number, name in enumerate((OURS, "nghttpd", "nginx")):
                server = Server(name, folder, options.port + 40 + index * 3 + number, tls, options.binary)
                with stopped_at_end(server):
                    print(f"| {'TLS' if tls else 'clear text'} | {name} | {burst(server, scheme, count)} |", flush=True)


# MARK: Event loops


def loaded(services, requests):
    """Load one service with two clients, or two with one each.

    Returns CPU microseconds a request, and requests a second.
    """
    before = [cpu_seconds(service.pid) for service in services]
    start = time.monotonic()
    clients = [
        subprocess.Popen(
            ["h2load", "-n", str(requests), "-c", "8", "-m", "32", *service.headers, service.account_url],
            stdout=subprocess.PIPE, text=True)
        for service in (services * 2)[:2]]
    for client in clients:
        if f"{requests} succeeded" not in client.communicate()[0]:
            sys.exit("not every response was 200")
    seconds = time.monotonic() - start
    cpu = sum(cpu_seconds(service.pid) - old for service, old in zip(services, before, strict=True))
    return cpu / requests / 2 * 1e6, requests * 2 / seconds


def compare_loops(options):
    figures = {"one process, one loop": [], "two processes, one loop each": [], "one process, two loops": []}
    with stopped_at_end() as running:
        for loops in (1, 1, 2):
            running.append(Service(
                "--http-event-loops", str(loops), "--cache-ttl", "1d", "--http-limits-connections-per-address", "11000",
                binary=options.binary))
        ways = dict(zip(figures, (running[:1], running[:2], running[2:]), strict=True))
        for services in ways.values():
            loaded(services, 2000)
        for number in range(options.rounds):
            for way in list(figures)[::-1 if number % 2 else 1]:
                figures[way].append(loaded(ways[way], options.requests))
    yardstick = figures["two processes, one loop each"]
    print("\n| | CPU us/request, median (min-max) | to two processes | requests/s | to two processes |\n"
          "|---|---|---|---|---|")
    for way, rounds in figures.items():
        cells = []
        for index, digits in ((0, 2), (1, 0)):
            cells.append(spread([figure[index] for figure in rounds], digits))
            cells.append(spread([own[index] / other[index] for own, other in zip(rounds, yardstick, strict=True)]))
        print(f"| {way} | {' | '.join(cells)} |")


PARTS = {"handshakes": compare_handshakes, "idle": compare_idle, "burst": compare_bursts, "loops": compare_loops}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=list(PARTS), type=lambda text: text.split(","))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--handshakes", type=int, default=2000, help="connections of each kind in a round")
    parser.add_argument("--requests", type=int, default=200_000, help="requests of each client to the event loops")
    parser.add_argument(
        "--connections", default=[1000, 10_000], type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--port", type=int, default=18100, help="first of the fifty ports of the other servers")
    parser.add_argument("--binary", type=pathlib.Path, default=RELEASE_BINARY)
    options = parser.parse_args()
    require_tools("clang", "h2load", "nghttpd", "nginx", "openssl", "taskset")
    if unknown := set(options.only) - set(PARTS):
        sys.exit(f"unknown: {', '.join(unknown)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < max(options.connections) + 1000:
        sys.exit(f"only {hard} open files are permitted: use fewer --connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for part in options.only:
        # The clients of all parts but the last are threads of this program, or programs that it pins.
        os.sched_setaffinity(0, range(os.cpu_count()) if part == "loops" else [int(LOAD_CORE)])
        PARTS[part](options)


if __name__ == "__main__":
    main()
