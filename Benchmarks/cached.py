#!/usr/bin/env python3
"""Measure the CPU time of a cached request: billing-service beside nghttpd, nginx, Go and node, in alternating rounds.

    Benchmarks/cached.py [--rounds 5] [--requests 200000] [--output FOLDER] [--only nghttpd,nginx]

billing-service checks the caller's token, makes a request id, sends ETag and Age, counts the request, and logs a
sample. nghttpd and nginx serve a file of the same size. Go (x/net/http2) and node answer from a map after a check of
the token. There are 16 connections, with 1 and with 32 streams each, in clear text and over TLS. The server has core
0 and the load core 1; user and system time come from /proc before and after each round. Quote the ratios: absolute
times differ from machine to machine. With --output the table is written as Markdown and JSON.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from measuring import (
    SERVICE_CORE,
    Program,
    make_certificate,
    measure,
    require_tools,
    start_nghttpd,
    start_service,
    stopped_at_end,
)

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ("nghttpd", "nginx", "go", "node")


CONNECTIONS = 16


def body_of(service, insecure):
    how = ["--insecure"] if insecure else ["--http2-prior-knowledge"]
    answer = subprocess.run(
        ["curl", "--silent", "--fail", *how, *service.headers, service.account_url], capture_output=True, check=True)
    return answer.stdout.decode()


def start_nginx(folder, port, path, body, tls):
    root = folder / "nginx"
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text(body)
    how = f"listen 127.0.0.1:{port} {'ssl http2' if tls else 'http2'} backlog=1024;"
    if tls:
        how += f" ssl_certificate {tls[1]}; ssl_certificate_key {tls[0]}; ssl_protocols TLSv1.3;"
    configuration = folder / f"nginx-{port}.conf"
    configuration.write_text(
        f"daemon off; master_process off; worker_processes 1; error_log /dev/null; pid {folder}/{port}.pid;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 100000000; http2_max_concurrent_streams 128;\n"
        "  open_file_cache max=100;\n"
        f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; default_type application/json;\n"
        f"  server {{ {how} root {root}; }} }}\n")
    server = Program(["nginx", "-c", configuration], SERVICE_CORE)
    server.wait_for_port(port)
    return server


def start_go(folder, port, path, body, token, tls):
    binary = folder / "go-server"
    if not binary.exists():
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


def start_peer(name, folder, port, path, body, token, tls):
    match name:
        case "nghttpd":
            return start_nghttpd(folder, port, path, body, tls)[0]
        case "nginx":
            return start_nginx(folder, port, path, body, tls)
        case "go":
            return start_go(folder, port, path, body, token, tls)
        case "node":
            return start_node(port, path, body, token, tls)
    sys.exit(f"{name} is none of {', '.join(PEERS)}")


def compare(options, tls, streams):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        certificate = make_certificate(folder) if tls else None
        ours = start_service("--cache-ttl", "1d", "--log-access-sample", "0.001", tls=certificate)
        with stopped_at_end(ours) as running:
            path = f"/v2/accounts/{ours.account}/billing"
            body = body_of(ours, tls)
            scheme = "https" if tls else "http"
            targets = {"ours": (ours, ours.account_url)}
            for index, peer in enumerate(options.only):
                port = options.port + index
                server = start_peer(peer, folder, port, path, body, ours.token, certificate)
                running.append(server)
                targets[peer] = (server, f"{scheme}://127.0.0.1:{port}{path}")
            figures = {name: [] for name in targets}
            for _ in range(options.rounds):
                for name, (server, url) in targets.items():
                    requests = options.requests if name in ("ours", "nghttpd") else options.requests // 4
                    figures[name].append(measure(server, url, ours.headers, CONNECTIONS, streams, requests))
                    if f"{requests} 2xx" not in figures[name][-1][2]:
                        sys.exit(f"{name} did not answer 200 to all: {figures[name][-1][2]}")
    rows = []
    yardstick = [figure[0] for figure in figures.get("nghttpd", figures["ours"])]
    for name, rounds in figures.items():
        cpu = [figure[0] for figure in rounds]
        ratio = [own / other for own, other in zip(cpu, yardstick, strict=True)]
        times = [figure[3] for figure in rounds]
        rows.append({
            "server": name, "tls": bool(tls), "streams": streams, "body_bytes": len(body), "rounds": len(rounds),
            "cpu_us": statistics.median(cpu), "cpu_us_min": min(cpu), "cpu_us_max": max(cpu),
            "ratio": statistics.median(ratio), "ratio_min": min(ratio), "ratio_max": max(ratio),
            "requests_a_second": statistics.median(figure[1] for figure in rounds),
            "p50_us": statistics.median(time[0] for time in times),
            "p99_us": statistics.median(time[1] for time in times),
        })
    return rows


def table(rows):
    lines = [
        "| | streams | server | CPU us/request, median (min-max) | to nghttpd, median (min-max) "
        "| requests/s | p50, p99 us |",
        "|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {'TLS' if row['tls'] else 'h2c'} | 16 x {row['streams']} | {row['server']} "
            f"| {row['cpu_us']:.2f} ({row['cpu_us_min']:.2f}-{row['cpu_us_max']:.2f}) "
            f"| {row['ratio']:.2f} ({row['ratio_min']:.2f}-{row['ratio_max']:.2f}) | {row['requests_a_second']:,.0f} "
            f"| {row['p50_us']:.0f}, {row['p99_us']:.0f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--port", type=int, default=18080, help="port of the first peer; the others use the next ports")
    parser.add_argument("--streams", default="32,1")
    parser.add_argument(
        "--only", default=",".join(PEERS), type=lambda text: [peer for peer in text.split(",") if peer],
        help=f"peers to compare with, of {', '.join(PEERS)}")
    parser.add_argument("--clear", action="store_true", help="skip TLS")
    parser.add_argument("--output", type=pathlib.Path, help="folder for cached.md and cached.json")
    options = parser.parse_args()
    require_tools("h2load", "taskset", *options.only)
    rows = []
    for tls in (False,) if options.clear else (False, True):
        for streams in map(int, options.streams.split(",")):
            rows += compare(options, tls, streams)
    print(table(rows))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "cached.md").write_text(table(rows) + "\n")
        (options.output / "cached.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
