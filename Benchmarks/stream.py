#!/usr/bin/env python3
"""Measure the stream of all sub accounts: time, CPU time and peak memory of the service with its sandbox.

    Benchmarks/stream.py [--accounts 1000,100000] [--rounds 3]

Needs the release build of billing-service, and curl. Each round starts a new service with a sandbox without limits.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

from measuring import Service, cpu_seconds, mebibytes


def measure(accounts):
    service = Service("--sandbox-accounts", str(accounts))
    idle = mebibytes(service.pid, "VmHWM")
    start = time.monotonic()
    curl = subprocess.Popen(
        ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", *service.headers, service.stream_url],
        stdout=subprocess.PIPE)
    first, last, lines = None, b"", 0
    for line in curl.stdout:
        first = first or time.monotonic() - start
        last = line
        lines += 1
    seconds = time.monotonic() - start
    cpu, peak = cpu_seconds(service.pid), mebibytes(service.pid, "VmHWM")
    service.stop()
    end = json.loads(last)
    if curl.wait() or lines != accounts + 2 or end["contacts"] + end["failures"] != accounts:
        sys.exit(f"the stream of {accounts} accounts was not complete: {last}")
    return seconds, first, cpu, idle, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", default="1000,100000")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| accounts | seconds | seconds to the first line | CPU seconds | MiB before | peak MiB |")
    print("|---|---|---|---|---|---|")
    for accounts in map(int, options.accounts.split(",")):
        rounds = [measure(accounts) for _ in range(options.rounds)]
        medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
        print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.0f} | {:.0f} |".format(accounts, *medians))


if __name__ == "__main__":
    main()
