#!/usr/bin/env python3
"""What streaming all sub accounts costs, from Zoom and from memory, beside nghttpd with the same bytes in a file.

    Benchmarks/bulk.py [--accounts 1000000] [--readers 50]

The sandbox, without limits, is in the same process: the figures of the cold stream are those of both. Readers are curl; one of those at the
end is stopped half-way. Needs the release build.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types

import budget

common = importlib.import_module("cpu-per-request")


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


class Watch(threading.Thread):
    """The most memory that a process has in the time."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.is_over = pid, 0, False
        self.start()

    def run(self):
        while not self.is_over:
            self.peak = max(self.peak, rss(self.pid))
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
    watch, before, start = Watch(pid), common.cpu_seconds(pid), time.monotonic()
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
    seconds, cpu = time.monotonic() - start, common.cpu_seconds(pid) - before
    if reader.wait() or b'"type":"end"' not in last:
        sys.exit(f"{name}: the stream was not complete")
    print(
        f"| {name} | {accounts / seconds:,.0f} | {cpu / accounts * 1e6:.2f} | {cpu / count * 1e9:.2f} | {to_first * 1e3:.0f} "
        f"| {watch.stop():.0f} | {count / 1e6:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = common.Server(
            [str(common.ROOT / ".build/release/billing-service"), "serve", "--sandbox", "--http-port", "0", "--ops-port", "0",
             "--sandbox-accounts", str(options.accounts), "--http-event-loops", "1", "--cache-ttl", "1d", "--cache-max-bytes",
             f"{options.accounts * 1400 // (1 << 20) + 64}MiB"])
        text = service.read_until(r"^curl .*stream")
        token = re.search(r"authorization: Bearer (\S+?)'", text).group(1)
        zoom = types.SimpleNamespace(port=int(re.search(r"at http://127.0.0.1:(\d+) ", text).group(1)))
        pid, url = service.process.pid, re.search(r"(http://\S+)/v2/billing/stream", text).group(0)
        print("| stream | lines/s | CPU us/line | CPU ns/byte | ms to the first line | MiB at most | MB |")
        print("|---|---|---|---|---|---|---|")
        stream("cold", pid, url, token, options.accounts)
        file = pathlib.Path(folder) / "lines"
        stream("warm", pid, url, token, options.accounts, file)
        stream("warm", pid, url, token, options.accounts)
        counts = budget.counts(zoom)

        nghttpd = common.Server(["nghttpd", "-n", "1", "-d", folder, "--no-tls", "18090"])
        nghttpd.wait_for_port(18090)
        before, start = common.cpu_seconds(nghttpd.process.pid), time.monotonic()
        subprocess.run(
            ["curl", "--silent", "--http2-prior-knowledge", "-o", os.devnull, "http://127.0.0.1:18090/lines"], check=True)
        cpu, size = common.cpu_seconds(nghttpd.process.pid) - before, file.stat().st_size
        print(
            f"| nghttpd, the same bytes in a file | {options.accounts / (time.monotonic() - start):,.0f} | "
            f"{cpu / options.accounts * 1e6:.2f} | {cpu / size * 1e9:.2f} | | | {size / 1e6:.0f} |", flush=True)
        nghttpd.stop()

        idle, watch, before = rss(pid), Watch(pid), common.cpu_seconds(pid)
        readers = [curl(url, token, subprocess.DEVNULL) for _ in range(options.readers)]
        time.sleep(0.5)
        readers[0].send_signal(signal.SIGSTOP)
        failed = sum(reader.wait() != 0 for reader in readers[1:])
        cpu = common.cpu_seconds(pid) - before
        readers[0].kill()
        readers[0].wait()
        print(
            f"\n{options.readers} readers at a time, one of them stopped: {watch.stop() - idle:.0f} MiB more than the {idle:.0f} "
            f"MiB without, {cpu / options.accounts / (options.readers - 1) * 1e6:.2f} us a line, {failed} failed")
        print(f"asked of Zoom for all of these streams: {json.dumps(counts)}")
        service.stop()


if __name__ == "__main__":
    main()
