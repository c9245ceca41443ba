#!/usr/bin/env python3
"""Compare the latency of cached lookups with and without a stream at the same time.

    Benchmarks/beside-stream.py [--accounts 300000] [--seconds 10] [--rounds 2] [--event-loops 1]

h2load looks up one cached account 300 times a second over four connections. In alternating rounds the service is idle
otherwise, or curl reads streams of cached accounts at 5 MB/s. The table has p50 and p99 of the lookups and the ratio
of the p99s, which should not exceed 1.5; and the throughput of one reader without a limit. Needs the release build of
billing-service, h2load and curl.

h2load runs at real-time priority and curl at idle priority where the system permits that. `--plain-priorities`
measures without.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE_BINARY, Priorities, Service, lookup_times, make_certificate, percentile


class CachingService(Service):
    """The service with room in its cache for every account."""

    def __init__(self, binary, accounts, event_loops, tls=None):
        super().__init__(
            "--sandbox-accounts", str(accounts), "--cache-ttl", "1d", "--cache-max-bytes",
            f"{max(64, accounts // 500)}MiB", "--log-access-sample", "0.001", "--http-event-loops", str(event_loops),
            binary=binary, tls=tls)

    def curl(self, *options, streams=1):
        return ["curl", "--silent", "--insecure", *self.headers, *options, *[self.stream_url] * streams]

    def read_all(self, *options):
        """Bytes a second of the whole stream to one reader."""
        began = time.monotonic()
        output = subprocess.run(
            self.curl("--output", "/dev/null", "--write-out", "%{http_code} %{size_download}", *options),
            capture_output=True, text=True, check=True).stdout.split()
        if output[0] != "200":
            sys.exit(f"the stream was answered {output[0]}")
        return int(output[1]) / (time.monotonic() - began)


def beside(service, options, command, chosen):
    """Times of lookups while the command reads. The command must not end before they do."""
    with open(chosen or "/dev/null") as body:
        reader = subprocess.Popen(
            [*options.priorities.reader, *command], stdin=body, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        times = lookup_times(service, options.seconds, options.priorities)
        if reader.poll() is not None:
            sys.exit("the reader ended too early: use more --accounts, or a lower --rate")
    finally:
        reader.kill()
        reader.wait()
    return times


def measure(options, name, tls, readers, folder):
    service = CachingService(options.binary, options.accounts, options.event_loops, tls)
    try:
        service.read_all()
        chosen = folder / "chosen.ndjson"
        with open(chosen, "w") as file:
            subprocess.run(service.curl(), stdout=file, check=True)
        lines = [line for line in chosen.read_text().splitlines() if '"account_id"' in line]
        chosen.write_text(
            "".join(json.dumps({"account_id": json.loads(line)["account_id"]}) + "\n" for line in lines) * 4)
        for reader, flags in readers.items():
            command = service.curl("--limit-rate", options.rate, *flags["curl"], streams=flags.get("streams", 1))
            quiet, busy = [], []
            for _ in range(options.rounds):
                quiet += lookup_times(service, options.seconds, options.priorities)
                busy += beside(service, options, command, chosen if flags.get("posts") else None)
            cells = " | ".join(
                f"{percentile(times, 0.5):.2f} / {percentile(times, 0.99):.2f}" for times in (quiet, busy))
            ratio = percentile(busy, 0.99) / percentile(quiet, 0.99)
            print(f"| {name} | {reader} | {cells} | {ratio:.2f} |", flush=True)
        return [f"{service.read_all(flag) / 1e6:,.0f}" for flag in ("--http1.1", "--http2")] if tls else [
            f"{service.read_all(flag) / 1e6:,.0f}" for flag in ("--http1.1", "--http2-prior-knowledge")]
    finally:
        service.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=300_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", default="5M", help="bytes a second of each reader, in curl's notation")
    parser.add_argument("--event-loops", type=int, default=1)
    parser.add_argument("--binary", default=str(RELEASE_BINARY))
    parser.add_argument("--plain-priorities", action="store_true", help="run h2load and curl at normal priority")
    options = parser.parse_args()
    options.priorities = Priorities(options.plain_priorities)
    post = ["--request", "POST", "--header", "content-type: application/x-ndjson", "--upload-file", "-"]
    clear = {
        "HTTP/1.1": {"curl": ["--http1.1"]},
        "HTTP/2": {"curl": ["--http2-prior-knowledge"]},
        "HTTP/2, four streams": {
            "curl": ["--http2-prior-knowledge", "--parallel", "--parallel-immediate"], "streams": 4},
        "HTTP/2, chosen accounts": {"curl": ["--http2-prior-knowledge", *post], "posts": True},
    }
    encrypted = {"HTTP/1.1": {"curl": ["--http1.1"]}, "HTTP/2": {"curl": ["--http2"]}}
    print("| | reader | without the reader, ms p50 / p99 | with the reader | p99 to p99 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        speeds = [("clear text", measure(options, "clear text", None, clear, folder)),
                  ("TLS", measure(options, "TLS", make_certificate(folder), encrypted, folder))]
    print("\n| one reader without a limit, MB/s | HTTP/1.1 | HTTP/2 |\n|---|---|---|")
    for name, figures in speeds:
        print(f"| {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
