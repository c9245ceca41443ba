#!/usr/bin/env python3
"""What streaming all sub accounts costs: seconds, CPU and peak memory of the service, sandbox included.

    Benchmarks/stream.py [--accounts 1000,100000] [--rounds 3]

Needs the release build of billing-service, and curl. Each round starts a service of its own with an unlimited sandbox.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def measure(accounts):
    service = subprocess.Popen(
        [ROOT / ".build/release/billing-service", "serve", "--sandbox", "--http-port", "0", "--ops-port", "0",
         "--sandbox-accounts", str(accounts)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    line = next(line for line in service.stdout if "/v2/billing/stream" in line)
    token, url = re.search(r"(authorization: Bearer \S+)' (\S+)", line).groups()
    status = pathlib.Path(f"/proc/{service.pid}/status")
    idle = int(re.search(r"VmHWM:\s+(\d+)", status.read_text()).group(1))
    start = time.monotonic()
    curl = subprocess.Popen(
        ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", "-H", token, url], stdout=subprocess.PIPE)
    first, last, lines = None, b"", 0
    for last in curl.stdout:
        first = first or time.monotonic() - start
        lines += 1
    seconds = time.monotonic() - start
    fields = pathlib.Path(f"/proc/{service.pid}/stat").read_text().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text()).group(1))
    service.send_signal(signal.SIGTERM)
    service.wait()
    end = json.loads(last)
    if curl.wait() or lines != accounts + 2 or end["contacts"] + end["failures"] != accounts:
        sys.exit(f"the stream of {accounts} accounts was not complete: {last}")
    return seconds, first, cpu, idle / 1024, peak / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", default="1000,100000")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| accounts | seconds | to the first line | CPU seconds | MiB before | MiB at most |")
    print("|---|---|---|---|---|---|")
    for accounts in map(int, options.accounts.split(",")):
        rounds = [measure(accounts) for _ in range(options.rounds)]
        medians = [statistics.median(column) for column in zip(*rounds)]
        print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.0f} | {:.0f} |".format(accounts, *medians))


if __name__ == "__main__":
    main()
