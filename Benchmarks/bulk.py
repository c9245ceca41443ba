#!/usr/bin/env python3
"""Measure the stream of all sub accounts, uncached and cached, beside nghttpd with a file of the same bytes.

    Benchmarks/bulk.py [--accounts 1000000] [--readers 50]

The sandbox has no limits and runs in the same process, so the figures of the cold stream include it. Readers are curl;
one reader of the last part is stopped half-way. Needs the release build of billing-service.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import budget
from measuring import cpu_seconds, mebibytes, start_nghttpd, start_service


class Watch(threading.Thread):
    """Records the peak of a process's resident memory."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.is_over = pid, 0, False
        self.start()

    def run(self):
        while not self.is_over:
            self.peak = max(self.peak, mebibytes(self.pid, "VmRSS"))
            time.sleep(0.02)

    def stop(self):
        self.is_over = True
        self.join()
        return self.peak


def curl(url, token, output=subprocess.PIPE):
    return subprocess.Popen(
        ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", "-H", f"authorization: Bearer {token}", url],
        stdout=output)


def stream(name, pid, url, token, accounts, keep=None):
    watch, before, start = Watch(pid), cpu_seconds(pid), time.monotonic()
    reader = curl(url, token)
    first = reader.stdout.read1(65536)
    to_first = time.monotonic() - start
    last, count = first, len(first)
    with open(keep or os.devnull, "wb") as file:
        file.write(first)
        while chunk := reader.stdout.read1(1 << 20):
            file.write(chunk)
            count += len(chunk)
            last = (last + chunk)[-1000:]
    seconds, cpu = time.monotonic() - start, cpu_seconds(pid) - before
    if reader.wait() or b'"type":"end"' not in last:
        sys.exit(f"{name}: the stream was not complete")
    print(
        f"| {name} | {accounts / seconds:,.0f} | {cpu / accounts * 1e6:.2f} | {cpu / count * 1e9:.2f} "
        f"| {to_first * 1e3:.0f} | {watch.stop():.0f} | {count / 1e6:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = start_service(
            "--sandbox-accounts", str(options.accounts), "--cache-ttl", "1d", "--cache-max-bytes",
            f"{options.accounts * 1400 // (1 << 20) + 64}MiB")
        token, pid, url = service.token, service.pid, service.stream_url
        print("| stream | lines/s | CPU us/line | CPU ns/byte | ms to the first line | peak MiB | MB |")
        print("|---|---|---|---|---|---|---|")
        stream("cold", pid, url, token, options.accounts)
        # Where nghttpd serves it.
        file = pathlib.Path(folder) / "nghttpd/lines"
        nghttpd, peer = start_nghttpd(pathlib.Path(folder), 18090, "/lines", "")
        stream("warm", pid, url, token, options.accounts, file)
        stream("warm", pid, url, token, options.accounts)
        counts = budget.counts(service.zoom_port)

        before, start = cpu_seconds(nghttpd.pid), time.monotonic()
        subprocess.run(
            ["curl", "--silent", "--http2-prior-knowledge", "-o", os.devnull, f"{peer}/lines"], check=True)
        cpu, size = cpu_seconds(nghttpd.pid) - before, file.stat().st_size
        print(
            f"| nghttpd, the same bytes in a file | {options.accounts / (time.monotonic() - start):,.0f} | "
            f"{cpu / options.accounts * 1e6:.2f} | {cpu / size * 1e9:.2f} | | | {size / 1e6:.0f} |", flush=True)
        nghttpd.stop()

        idle, watch, before = mebibytes(pid, "VmRSS"), Watch(pid), cpu_seconds(pid)
        readers = [curl(url, token, subprocess.DEVNULL) for _ in range(options.readers)]
        time.sleep(0.5)
        readers[0].send_signal(signal.SIGSTOP)
        failed = sum(reader.wait() != 0 for reader in readers[1:])
        cpu = cpu_seconds(pid) - before
        readers[0].kill()
        readers[0].wait()
        print(
            f"\n{options.readers} readers at a time, one of them stopped: {watch.stop() - idle:.0f} MiB more than the "
            f"{idle:.0f} MiB without them, {cpu / options.accounts / (options.readers - 1) * 1e6:.2f} us a line, "
            f"{failed} failed")
        print(f"calls to Zoom for all of these streams: {json.dumps(counts)}")
        service.stop()


if __name__ == "__main__":
    main()
