#!/usr/bin/env python3
"""Compare allocators: memory and CPU time of the service under changing load, in alternating rounds.

    Benchmarks/malloc.py [--rounds 3] [--only glibc,arenas-2] [--binary FILE] [--rest 5]

Each round starts a new service for each allocator, in clear text and over TLS. The sandbox has more accounts than fit
into the cache. The load is: ten times a thousand connections with one request each, lookups of all accounts in turn,
and eight streams of all accounts at the same time. The table has the peak memory (VmHWM), the resident memory a few
seconds after the load (VmRSS), and user and system time for each response or line; then the ratios to the first
allocator. The service has four event loops and is not pinned to a core, because allocators differ when threads
compete. Needs the release build of billing-service, h2load, curl, openssl and libjemalloc2.
"""

import argparse
import glob
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE_BINARY, Service, cpu_seconds, make_certificate, mebibytes, require_tools

# Ratios are to the first: an arena for each thread that competes with another, up to eight for each core.
JEMALLOC = next(iter(glob.glob("/usr/lib/*/libjemalloc.so.2")), "")
WAYS = {
    "glibc": {},
    "arenas-1": {"MALLOC_ARENA_MAX": "1"},
    "arenas-2": {"MALLOC_ARENA_MAX": "2"},
    "jemalloc": {"LD_PRELOAD": JEMALLOC},
    # By default it returns pages within ten seconds, and only while it is called.
    "jemalloc-eager": {
        "LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"},
}


def start(options, way, tls):
    return Service(
        "--sandbox-accounts", str(options.accounts), "--http-event-loops", "4", "--cache-max-bytes", "16MiB",
        "--http-limits-connections-per-address", "8192", "--http-limits-handshakes", "1000",
        binary=options.binary, tls=tls, environment=WAYS[way])


def stream(service, tls):
    return subprocess.Popen(
        ["curl", "--silent", "--no-buffer", *(["--insecure"] if tls else ["--http2-prior-knowledge"]),
         *service.headers, service.stream_url], stdout=subprocess.PIPE)


def load(*arguments):
    output = subprocess.run(["h2load", *arguments], capture_output=True, text=True, check=True).stdout
    total, done = map(
        int, re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded", output).groups())
    if total != done:
        sys.exit(f"not every response was 200:\n{output}")
    return done


def churn(options, service, tls, accounts):
    """The number of responses and lines."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{service.base}/v2/accounts/{account}/billing\n" for account in accounts))
        file.flush()
        answers = 0
        for _ in range(options.waves):
            # A connection for each request.
            answers += load("-n", "1000", "-c", "1000", "-m", "1", *service.headers, "-i", file.name)
            count = str(options.requests // options.waves)
            answers += load("-n", count, "-c", "64", "-m", "32", *service.headers, "-i", file.name)
        streams = [stream(service, tls) for _ in range(8)]
        # wc reads all at the same time: a stream without a reader would stop.
        counts = [
            subprocess.Popen(["wc", "-l"], stdin=one.stdout, stdout=subprocess.PIPE, text=True) for one in streams]
        lines = [int(count.communicate()[0]) for count in counts]
        if any(one.wait() for one in streams) or lines != [options.accounts + 2] * 8:
            sys.exit(f"a stream was not complete: {lines}")
        return answers + sum(lines)


def measure(options, way, tls):
    """Peak memory, memory at rest, and CPU time for each response."""
    service = start(options, way, tls)
    try:
        first = stream(service, tls)
        # Some accounts have no contact.
        accounts = re.findall(r'"type":"contact","account_id":"([^"]+)"', first.stdout.read().decode())
        if first.wait() or not accounts:
            sys.exit("the stream has no accounts")
        random.Random(1).shuffle(accounts)
        before = cpu_seconds(service.pid)
        answers = churn(options, service, tls, accounts)
        cpu = (cpu_seconds(service.pid) - before) / answers * 1e6
        time.sleep(options.rest)
        return mebibytes(service.pid, "VmHWM"), mebibytes(service.pid, "VmRSS"), cpu
    finally:
        service.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=RELEASE_BINARY)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--accounts", type=int, default=50_000, help="sub accounts, and lines of each of the eight streams")
    parser.add_argument("--waves", type=int, default=10, help="number of waves of 1,000 connections")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument(
        "--rest", type=float, default=5, help="seconds between the end of the load and the last measurement")
    parser.add_argument("--only", default=",".join(WAYS), type=lambda text: text.split(","))
    options = parser.parse_args()
    require_tools("h2load", "curl", "openssl")
    if not JEMALLOC and any(way.startswith("jemalloc") for way in options.only):
        sys.exit("libjemalloc2 is missing")

    print("| | allocator | peak MiB | at rest MiB | CPU us | peak, ratio | at rest, ratio | CPU, ratio |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(pathlib.Path(folder))
        for name, tls in (("h2c", None), ("TLS", certificate)):
            rounds = [{way: measure(options, way, tls) for way in options.only} for _ in range(options.rounds)]
            for way in options.only:
                cells = []
                for index in range(3):
                    own = [one[way][index] for one in rounds]
                    cells.append(f"{statistics.median(own):.1f} ({min(own):.1f}-{max(own):.1f})")
                for index in range(3):
                    ratios = [one[way][index] / one[options.only[0]][index] for one in rounds]
                    cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
                print(f"| {name} | {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
