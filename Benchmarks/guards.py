#!/usr/bin/env python3
"""Holds what a cached request costs to what it cost before: instructions, allocations and system calls, which do not depend on
how busy a machine is.

    Benchmarks/guards.py [--update]

Instructions and allocations are counted by valgrind over a connection without a socket (Tests/RequestCost): the difference of
two runs, one with 6,400 requests more, is exact. System calls are counted by strace over sockets. Limits are in guards.json,
with a few in a hundred to spare; --update writes what was measured there.
"""

import argparse
import importlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

common = importlib.import_module("cpu-per-request")

LIMITS = pathlib.Path(__file__).resolve().parent / "guards.json"
SLACK = {"instructions": 1.03, "allocations": 1.03, "system_calls": 1.25}
STREAMS, FEW, MANY = 32, 100, 300


def counted(tool, pattern, folder):
    """What `pattern` finds in valgrind's words, for each request that one run has more than the other."""
    # Valgrind of Debian 12 cannot read the debug information of Swift 6.
    program = folder / "RequestCost"
    subprocess.run(
        ["objcopy", "--strip-debug", str(common.ROOT / ".build/release/RequestCost"), str(program)], check=True)
    totals = []
    for batches in (FEW, MANY):
        run = subprocess.run(
            ["valgrind", *tool, str(program), str(batches), str(STREAMS)], cwd=folder, capture_output=True, text=True)
        found = re.search(pattern, run.stderr)
        if run.returncode or not found:
            sys.exit(f"valgrind could not count: {run.stderr[-1000:]}")
        totals.append(int(found.group(1).replace(",", "")))
    return (totals[1] - totals[0]) / ((MANY - FEW) * STREAMS)


def system_calls(requests=64_000):
    server, base, account, token = common.start_ours(None, "--cache-ttl", "1d")
    try:
        url = f"{base}/v2/accounts/{account}/billing"
        subprocess.run(["curl", "--silent", "--fail", "--http2-prior-knowledge", *token, url], check=True, capture_output=True)
        with tempfile.NamedTemporaryFile() as output:
            trace = subprocess.Popen(
                ["strace", "-f", "-c", "-o", output.name, "-p", str(server.process.pid)], stderr=subprocess.DEVNULL)
            time.sleep(1)
            subprocess.run(
                ["h2load", "-n", str(requests), "-c", "16", "-m", str(STREAMS), *token, url], check=True,
                capture_output=True)
            trace.send_signal(signal.SIGINT)
            trace.wait()
            rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) .*?(\w+)$", pathlib.Path(output.name).read_text(), re.MULTILINE)
    finally:
        server.stop()
    return sum(int(count) for count, name in rows if name in ("read", "write", "writev", "epoll_wait", "sendto", "recvfrom")) / requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write what was measured to guards.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        measured = {
            "instructions": counted(
                ["--tool=callgrind", "--callgrind-out-file=/dev/null"], r"Collected : (\d+)", folder),
            "allocations": counted([], r"total heap usage: ([\d,]+) allocs", folder),
        }
    measured["system_calls"] = system_calls()
    if options.update:
        LIMITS.write_text(json.dumps({name: round(value, 3) for name, value in measured.items()}, indent=2) + "\n")
    limits = json.loads(LIMITS.read_text())
    failures = 0
    for name, value in measured.items():
        limit = limits[name] * SLACK[name]
        is_met = value <= limit
        failures += not is_met
        print(f"{'ok    ' if is_met else 'FAILED'} {name} per cached request: {value:.3f}, at most {limit:.3f}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
