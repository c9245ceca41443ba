#!/usr/bin/env python3
"""Memory and CPU of the service under churn with different ways of allocating, in alternating rounds.

    Benchmarks/malloc.py [--rounds 3] [--only glibc,arenas-2] [--binary FILE] [--rest 5]

Each round starts a service of its own for each way, in clear text and over TLS; its sandbox has more accounts than its
cache has room for. Churn is ten times a thousand connections that come with one request each and go, lookups of
accounts by turns, and eight streams of all of them at once. Reported are the highest memory (VmHWM), what is resident a
few seconds after all that has ended (VmRSS), and user and system time for each request and line of a stream; then the
same as ratios to the first way, from round to round. With four event loops and no core of its own: what threads hold
against one another is what this is about. Needs the release build of billing-service, h2load, curl, openssl and
libjemalloc2.
"""

import argparse
import glob
import importlib
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

common = importlib.import_module("cpu-per-request")

# The yardstick is the first: an arena for each thread that meets another, up to eight for each core.
JEMALLOC = next(iter(glob.glob("/usr/lib/*/libjemalloc.so.2")), "")
WAYS = {
    "glibc": {},
    "arenas-1": {"MALLOC_ARENA_MAX": "1"},
    "arenas-2": {"MALLOC_ARENA_MAX": "2"},
    "jemalloc": {"LD_PRELOAD": JEMALLOC},
    # By itself it gives pages back within ten seconds, and only while it is called.
    "jemalloc-eager": {
        "LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"},
}


def status(pid, field):
    """In MiB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE).group(1)) / 1024


def start(options, way, tls):
    flags = ["--http-tls-key", str(tls[0]), "--http-tls-certificate", str(tls[1])] if tls else []
    service = subprocess.Popen(
        [str(options.binary), "serve", "--sandbox", "--sandbox-accounts", str(options.accounts), "--http-port", "0",
         "--ops-port", "0", "--http-event-loops", "4", "--cache-max-bytes", "16MiB",
         "--http-limits-connections-per-address", "8192", "--http-limits-handshakes", "1000", *flags],
        env={**os.environ, **WAYS[way]}, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = next((line for line in service.stdout if "/v2/billing/stream" in line), None)
    if not line:
        sys.exit(f"with {way} it did not start")
    header, stream = re.search(r"(authorization: Bearer \S+)' (\S+)", line).groups()
    return service, header, stream.removesuffix("/v2/billing/stream")


def stream(base, header, tls):
    return subprocess.Popen(
        ["curl", "--silent", "--no-buffer", *(["--insecure"] if tls else ["--http2-prior-knowledge"]),
         "-H", header, f"{base}/v2/billing/stream"], stdout=subprocess.PIPE)


def load(*arguments):
    output = subprocess.run(["h2load", *arguments], capture_output=True, text=True, check=True).stdout
    total, done = map(int, re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded", output).groups())
    if total != done:
        sys.exit(f"not everything was answered 200:\n{output}")
    return done


def churn(options, base, header, tls, accounts):
    """How many requests and lines were answered."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{base}/v2/accounts/{account}/billing\n" for account in accounts))
        file.flush()
        answers = 0
        for _ in range(options.waves):
            # As many connections as requests.
            answers += load("-n", "1000", "-c", "1000", "-m", "1", "-H", header, "-i", file.name)
            count = str(options.requests // options.waves)
            answers += load("-n", count, "-c", "64", "-m", "32", "-H", header, "-i", file.name)
        streams = [stream(base, header, tls) for _ in range(8)]
        # All are read at once, by wc, or the one that waits for its turn would hold its stream.
        counts = [
            subprocess.Popen(["wc", "-l"], stdin=one.stdout, stdout=subprocess.PIPE, text=True) for one in streams]
        lines = [int(count.communicate()[0]) for count in counts]
        if any(one.wait() for one in streams) or lines != [options.accounts + 2] * 8:
            sys.exit(f"a stream was not complete: {lines}")
        return answers + sum(lines)


def measure(options, way, tls):
    """The highest memory, that at rest, and CPU for each answer."""
    service, header, base = start(options, way, tls)
    try:
        first = stream(base, header, tls)
        # Not all have a contact.
        accounts = re.findall(r'"type":"contact","account_id":"([^"]+)"', first.stdout.read().decode())
        if first.wait() or not accounts:
            sys.exit("the stream has no accounts")
        random.Random(1).shuffle(accounts)
        before = common.cpu_seconds(service.pid)
        answers = churn(options, base, header, tls, accounts)
        cpu = (common.cpu_seconds(service.pid) - before) / answers * 1e6
        time.sleep(options.rest)
        return status(service.pid, "VmHWM"), status(service.pid, "VmRSS"), cpu
    finally:
        service.terminate()
        service.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=common.ROOT / ".build/release/billing-service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=50_000, help="each of eight streams has so many lines")
    parser.add_argument("--waves", type=int, default=10, help="of 1,000 connections each")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rest", type=float, default=5, help="seconds between the end and the last look")
    parser.add_argument("--only", default=",".join(WAYS), type=lambda text: text.split(","))
    options = parser.parse_args()
    for tool in ("h2load", "curl", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing")
    if not JEMALLOC and any(way.startswith("jemalloc") for way in options.only):
        sys.exit("libjemalloc2 is missing")

    print("| | allocation | peak MiB | at rest MiB | CPU us | peak, ratio | at rest, ratio | CPU, ratio |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        certificate = common.make_certificate(pathlib.Path(folder))
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
