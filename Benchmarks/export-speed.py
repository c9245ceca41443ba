#!/usr/bin/env python3
"""Measure `billing-service export` from a warm service on the same machine.

    Benchmarks/export-speed.py [--accounts 1000000] [--rounds 3]

The service has one event loop. It and the export share two cores. The first export fills the cache and is not measured.
The best of the rounds counts: other programs on the machine can only make a round slower. Needs the release build of
billing-service, and room for the files in the folder for temporary files.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE_BINARY, Service, cpu_seconds, memory

CORES = "0,1"


class Export:
    """One run of the export: seconds, CPU seconds of the export and of the service, and peak memory of the export."""

    def __init__(self, service, accounts, output, *flags, pipe=None):
        """`output` is a file, or `-` for standard output, which is `pipe` or else /dev/null."""
        command = ["taskset", "-c", CORES, RELEASE_BINARY, "export", "--url", service.base, "--output", output, *flags]
        before, start = cpu_seconds(service.pid), time.monotonic()
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE if pipe else subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "BILLING_TOKEN": service.token})
        counter = subprocess.Popen(pipe, stdin=process.stdout, stdout=subprocess.PIPE, text=True) if pipe else None
        if counter:
            process.stdout.close()
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        lines = counter.communicate()[0].strip() if counter else None
        self.seconds = time.monotonic() - start
        self.cpu, self.peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        self.service_cpu = cpu_seconds(service.pid) - before
        # 3: some accounts of the sandbox pay for themselves.
        if os.waitstatus_to_exitcode(status) not in (0, 3) or lines not in (None, str(accounts)):
            sys.exit(f"the export failed: {errors}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    service = Service(
        "--http-event-loops", "1", "--sandbox-accounts", str(options.accounts), "--cache-ttl", "1d",
        "--cache-max-bytes", f"{options.accounts * 1400 // (1 << 20) + 64}MiB", cores=CORES)
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "billing"

        def measure(name, target, *flags, pipe=None):
            rounds = []
            for _ in range(options.rounds):
                output.unlink(missing_ok=True)
                rounds.append(Export(service, options.accounts, target, *flags, pipe=pipe))
            best = min(rounds, key=lambda export: export.seconds)
            size = f"{output.stat().st_size / 1e6:.0f}" if target == output else ""
            print(
                f"| {name} | {options.accounts / best.seconds:,.0f} | {best.seconds:.2f} | {best.cpu:.2f} | "
                f"{best.service_cpu:.2f} | {best.peak / (1 << 20):.0f} | {size} |", flush=True)

        # Fills the cache.
        Export(service, options.accounts, output)
        print("| export to | lines/s | seconds | CPU s of the export | CPU s of the service | peak MiB | MB |")
        print("|---|---|---|---|---|---|---|")
        measure("an NDJSON file", output)
        measure("a CSV file", output, "--format", "csv")
        measure("NDJSON, /dev/null", "-")
        measure("NDJSON, a pipe to wc -l", "-", pipe=["wc", "-l"])
    print(f"resident memory of the service: {memory(service.pid, 'VmRSS') / (1 << 20):.0f} MiB")
    service.stop()


if __name__ == "__main__":
    main()
