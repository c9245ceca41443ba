#!/usr/bin/env python3
"""Measure the CPU time of a request: billing-service beside nghttpd, in alternating rounds of one run.

    Benchmarks/cpu-per-request.py [--tls] [--rounds 5] [--requests 200000] [--connections 16] [--streams 32]

Needs the release build of billing-service, and h2load and nghttpd (Debian: nghttp2-client, nghttp2-server). The server
has core 0 and the load core 1. User and system time come from /proc before and after each round, so other processes do
not count. Quote the ratios: absolute times differ from machine to machine and hour to hour.
"""

import argparse
import pathlib
import statistics
import tempfile

from measuring import (
    make_certificate,
    measure,
    require_tools,
    start_nghttpd,
    start_service,
    stopped_at_end,
)

# At the same path as in billing-service, and with the same request fields, which HTTP/2 has to decode too.
PATH, BODY = "/v2/accounts/no-id-here/billing", "x" * 199 + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tls", action="store_true", help="over TLS instead of in clear text")
    parser.add_argument("--port", type=int, default=18080, help="nghttpd's port")
    options = parser.parse_args()
    require_tools("h2load", "nghttpd", "taskset")

    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(pathlib.Path(folder)) if options.tls else None
        ours = start_service(tls=tls)
        peer, peer_base = start_nghttpd(pathlib.Path(folder), options.port, PATH, BODY, tls)
        targets = {
            "nghttpd, file of 200 bytes": (peer, peer_base + PATH, options.requests),
            "malformed id, 400": (ours, f"{ours.base}/v2/accounts/no%20id/billing", options.requests),
            "lookup through the sandbox, 200": (ours, ours.account_url, options.requests // 10),
        }
        figures = {name: [] for name in targets}
        with stopped_at_end(ours, peer):
            for _ in range(options.rounds):
                for name, (server, url, requests) in targets.items():
                    figures[name].append(
                        measure(server, url, ours.headers, options.connections, options.streams, requests))

    yardstick = [cpu for cpu, *_ in figures["nghttpd, file of 200 bytes"]]
    print(f"{options.connections} connections x {options.streams} streams, {options.rounds} alternating rounds\n")
    print("| server and request | CPU us/request, median (min-max) | ratio to nghttpd, median (min-max) | requests/s |")
    print("|---|---|---|---|")
    for name, rounds in figures.items():
        cpu = [figure[0] for figure in rounds]
        ratio = [own / other for own, other in zip(cpu, yardstick, strict=True)]
        rate = statistics.median(figure[1] for figure in rounds)
        print(f"| {name} | {statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f}) "
              f"| {statistics.median(ratio):.2f} ({min(ratio):.2f}-{max(ratio):.2f}) | {rate:,.0f} |")
    print("\nThe lookup's figure includes the embedded sandbox, which runs in the same process.")


if __name__ == "__main__":
    main()
