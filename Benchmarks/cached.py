#!/usr/bin/env python3
"""Measure the CPU time of a cached request: billing-service beside servers of a file, in alternating rounds.

    Benchmarks/cached.py [--rounds 9] [--requests 200000 | --quick] [--case NAME,NAME] [--peers NAME,NAME]
        [--binary FILE] [--output FOLDER]

billing-service has its default settings: it checks the caller's token, makes a request id, sends ETag and Age, counts
the request, and logs 1 % of the requests to a file. Only `--cache-ttl` is longer, so that no request is a miss. nghttpd
and nginx serve a file of the same size, without an access log. Go (x/net/http2) and node answer from a map after a
check of the token.

h2load keeps 16 connections open. A case is a protocol with the number of concurrent requests on each connection; it
has a peer, and a target for the ratio to that peer. Every round measures all servers one after another, in an order
that is reversed from round to round. The ratio is that of the CPU times in the same round. The server has core 0 and
the load core 1; the CPU time is the process's own clock, so other processes do not count. Quote the ratios: absolute
times differ from machine to machine. With --output the tables are written as Markdown and JSON.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from measuring import (
    RELEASE_BINARY,
    SERVICE_CORE,
    Program,
    make_certificate,
    measure,
    require_tools,
    spread,
    start_nghttpd,
    start_nginx,
    start_service,
    stopped_at_end,
    write_file,
)

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 16
OURS = "billing-service"


@dataclasses.dataclass(frozen=True)
class Case:
    """A protocol, and the CPU time that the service may need, as a multiple of the peer's."""

    name: str
    is_tls: bool
    is_http1: bool
    streams: int
    peer: str
    target: float


CASES = (
    Case("http1", False, True, 1, "nginx", 1.2),
    Case("http1-tls", True, True, 1, "nginx", 1.2),
    Case("h2c-32", False, False, 32, "nghttpd", 1.1),
    Case("h2c-1", False, False, 1, "nghttpd", 1.25),
    Case("tls-32", True, False, 32, "nghttpd", 1.0),
    Case("tls-1", True, False, 1, "nghttpd", 1.15),
)
# The protocols that each peer speaks.
PEERS = {"nghttpd": {"http2"}, "nginx": {"http1", "http2"}, "go": {"http1", "http2"}, "node": {"http2"}}


def body_of(service):
    how = ["--insecure"] if service.base.startswith("https") else ["--http2-prior-knowledge"]
    answer = subprocess.run(
        ["curl", "--silent", "--fail", *how, *service.headers, service.account_url], capture_output=True, check=True)
    return answer.stdout.decode()


def start_file_nginx(folder, port, path, body, tls, is_http1):
    write_file(folder / "nginx", path, body)
    return start_nginx(
        folder, port, f"root {folder}/nginx;", tls, http2=not is_http1,
        directives="keepalive_requests 100000000; http2_max_concurrent_streams 128; open_file_cache max=100; "
                   "default_type application/json;")


def start_go(folder, port, path, body, token, tls):
    binary = folder / "go-server"
    # Debian installs Go packages in a GOPATH, which modules do not use.
    subprocess.run(
        ["go", "build", "-o", str(binary), str(HERE / "peers/server.go")], check=True, capture_output=True,
        env={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(folder / "cache"),
             "HOME": str(folder), "PATH": "/usr/bin:/bin"})
    server = Program(
        [binary, f"127.0.0.1:{port}", path, body, token, *([tls[1], tls[0]] if tls else [])], SERVICE_CORE,
        {"GOMAXPROCS": "1"})
    server.wait_for_port(port)
    return server


def start_node(port, path, body, token, tls):
    server = Program(["node", HERE / "peers/server.js", port, path, body, token, *(tls or ())], SERVICE_CORE)
    server.wait_for_port(port)
    return server


def start_peer(name, folder, port, path, body, token, tls, is_http1):
    match name:
        case "nghttpd":
            return start_nghttpd(folder, port, path, body, tls)[0]
        case "nginx":
            return start_file_nginx(folder, port, path, body, tls, is_http1)
        case "go":
            return start_go(folder, port, path, body, token, tls)
        case "node":
            return start_node(port, path, body, token, tls)
    sys.exit(f"{name} is none of {', '.join(PEERS)}")


def compare(options, case):
    """The figures of each server in each round, and the size of the body."""
    peers = [case.peer] + [
        peer for peer in options.peers
        if peer != case.peer and ("http1" if case.is_http1 else "http2") in PEERS[peer]]
    require_tools(*peers)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        certificate = make_certificate(folder) if case.is_tls else None
        with (folder / "log").open("w") as log, stopped_at_end() as running:
            ours = start_service("--cache-ttl", "1d", tls=certificate, binary=options.binary, errors=log)
            running.append(ours)
            path, body = f"/v2/accounts/{ours.account}/billing", body_of(ours)
            targets = {OURS: (ours, ours.account_url)}
            for index, peer in enumerate(peers):
                port = options.port + index
                server = start_peer(peer, folder, port, path, body, ours.token, certificate, case.is_http1)
                running.append(server)
                targets[peer] = (server, f"{'https' if case.is_tls else 'http'}://127.0.0.1:{port}{path}")
            figures = {name: [] for name in targets}
            for number in range(options.rounds):
                for name in list(targets)[::-1 if number % 2 else 1]:
                    server, url = targets[name]
                    requests = options.requests if name in (OURS, case.peer) else options.requests // 4
                    figure = measure(
                        server, url, ours.headers, CONNECTIONS, case.streams, requests,
                        *(["--h1"] if case.is_http1 else []))
                    if f"{requests} 2xx" not in figure[2]:
                        sys.exit(f"{name} did not answer 200 to all: {figure[2]}")
                    figures[name].append(figure)
    return figures, len(body)


def rows_of(case, figures, body_bytes):
    """A row for each server, and the ratios of the service to its peer."""
    rows = []
    for name, rounds in figures.items():
        cpu, rates, _, times = zip(*rounds, strict=True)
        rows.append({
            "case": case.name, "server": name, "streams": case.streams, "body_bytes": body_bytes,
            "cpu_us": cpu, "requests_a_second": statistics.median(rates),
            "p50_us": statistics.median(time[0] for time in times),
            "p99_us": statistics.median(time[1] for time in times),
            "to_peer": [own[0] / other[0] for own, other in zip(rounds, figures[case.peer], strict=True)],
        })
    return rows


def print_rows(case, rows):
    """The verdict of the case as a row of Markdown."""
    for row in rows:
        print(f"| {case.name} | {row['server']} | {spread(row['cpu_us'])} | {spread(row['to_peer'])} "
              f"| {row['requests_a_second']:,.0f} | {row['p50_us']:.0f}, {row['p99_us']:.0f} |", flush=True)
    ratio = rows[0]["to_peer"]
    verdict = "met" if statistics.median(ratio) <= case.target else "missed"
    return f"| {case.name} | {case.peer} | {spread(ratio)} | {case.target:.2f} | {verdict} |"


def main():
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--port", type=int, default=18080, help="port of the first peer; the others use the next ports")
    parser.add_argument(
        "--case", default=names, type=lambda text: text.split(","), help=f"cases, of {', '.join(names)}")
    parser.add_argument(
        "--peers", default=list(PEERS), type=lambda text: [peer for peer in text.split(",") if peer],
        help=f"peers besides the one of the case, of {', '.join(PEERS)}")
    parser.add_argument("--binary", type=pathlib.Path, default=RELEASE_BINARY)
    parser.add_argument("--output", type=pathlib.Path, help="folder for cached.md and cached.json")
    options = parser.parse_args()
    if unknown := (set(options.case) - set(names)) | (set(options.peers) - set(PEERS)):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}")
    if options.quick:
        options.requests //= 10
    require_tools("curl", "h2load", "taskset")
    print("\n| case | server | CPU us/request, median (min-max) | to the peer | requests/s | p50, p99 us |\n"
          "|---|---|---|---|---|---|")
    rows, verdicts = [], [
        f"| CPU time, {options.rounds} rounds | beside | ratio, median (min-max) | target | |", "|---|---|---|---|---|"]
    for case in CASES:
        if case.name in options.case:
            measured = rows_of(case, *compare(options, case))
            verdicts.append(print_rows(case, measured))
            rows += measured
    print("\n" + "\n".join(verdicts))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "cached.md").write_text("\n".join(verdicts) + "\n")
        (options.output / "cached.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
