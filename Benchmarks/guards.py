#!/usr/bin/env python3
"""Check that a cached request costs no more instructions, allocations and system calls than guards.json permits.

    Benchmarks/guards.py [--update]

These counts do not depend on the load of the machine. valgrind counts instructions and allocations over a connection
without a socket (Tests/RequestCost); the difference of two runs, of which one has 6,400 more requests, is exact. strace
counts system calls over sockets. A count may exceed guards.json by a few percent. --update writes the measured counts.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from measuring import ROOT, start_service

LIMITS = pathlib.Path(__file__).resolve().parent / "guards.json"
SLACK = {"instructions": 1.03, "allocations": 1.03, "system_calls": 1.25}
STREAMS, FEW, MANY = 32, 100, 300


def counted(tool, pattern, folder):
    """The count for one request. `pattern` finds the total in the output of valgrind."""
    # The valgrind of Debian 12 cannot read the debug information of Swift 6.
    program = folder / "RequestCost"
    subprocess.run(["objcopy", "--strip-debug", str(ROOT / ".build/release/RequestCost"), str(program)], check=True)
    totals = []
    for batches in (FEW, MANY):
        run = subprocess.run(
            ["valgrind", *tool, str(program), str(batches), str(STREAMS)], cwd=folder, capture_output=True, text=True,
            check=False)
        found = re.search(pattern, run.stderr)
        if run.returncode or not found:
            sys.exit(f"valgrind could not count: {run.stderr[-1000:]}")
        totals.append(int(found.group(1).replace(",", "")))
    return (totals[1] - totals[0]) / ((MANY - FEW) * STREAMS)


def system_calls(requests=64_000):
    server = start_service("--cache-ttl", "1d")
    try:
        url, token = server.account_url, server.headers
        subprocess.run(
            ["curl", "--silent", "--fail", "--http2-prior-knowledge", *token, url], check=True, capture_output=True)
        with tempfile.NamedTemporaryFile() as output:
            trace = subprocess.Popen(
                ["strace", "-f", "-c", "-o", output.name, "-p", str(server.pid)], stderr=subprocess.DEVNULL)
            time.sleep(1)
            subprocess.run(
                ["h2load", "-n", str(requests), "-c", "16", "-m", str(STREAMS), *token, url], check=True,
                capture_output=True)
            trace.send_signal(signal.SIGINT)
            trace.wait()
            rows = re.findall(
                r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) .*?(\w+)$", pathlib.Path(output.name).read_text(), re.MULTILINE)
    finally:
        server.stop()
    names = ("read", "write", "writev", "epoll_wait", "sendto", "recvfrom")
    return sum(int(count) for count, name in rows if name in names) / requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the measured counts to guards.json")
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
