#!/usr/bin/env python3
"""Measure streams of all sub accounts, beside nghttpd and nginx that serve the same bytes from a file.

    Benchmarks/bulk-beside-files.py [--accounts 1000000] [--rounds 5] [--readers 50] [--only clear,tls,cache]

The service has one event loop on core 0, and the readers have core 1. The readers are h2load with windows of 1 MiB,
which discards what it reads. In each round every server sends all lines once; user and system time are the process's
CPU clock, so the kernel's work for its sockets counts. nghttpd sends over HTTP/2, nginx over HTTP/1.1.

The sandbox has no limits and runs in the service's process, because only an embedded sandbox has no rate limit. It
computes its accounts from their numbers, so it adds next to nothing to the memory of a cached account, and it is idle
while cached lines are streamed. Figures of the cold stream include it.

Memory of an account is resident memory: after the account list was read less before (list), and after all accounts
were cached less after the list (answers). Needs the release builds of billing-service and of CacheLoad.
"""

import argparse
import json
import pathlib
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from measuring import (
    LOAD_CORE,
    RELEASE_BINARY,
    ROOT,
    Priorities,
    cpu_seconds,
    lookup_times,
    make_certificate,
    mebibytes,
    memory,
    percentile,
    require_tools,
    start_nghttpd,
    start_nginx,
    start_service,
    stopped_at_end,
)

# 1 MiB, for a stream and for its connection.
WINDOWS = ["-w", "20", "-W", "20"]


class Peak(threading.Thread):
    """Records the highest resident memory of a process, every 10 milliseconds."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.bytes, self.ended = pid, memory(pid, "VmRSS"), threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.01):
            self.bytes = max(self.bytes, memory(self.pid, "VmRSS"))

    def stop(self):
        self.ended.set()
        self.join()
        return self.bytes


class Table:
    """Rows of figures with their limits, as Markdown and for the JSON file."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, unit="", limit=None, digits=2):
        self.rows.append({"figure": name, "value": value, "unit": unit, "limit": limit})
        verdict = "" if limit is None else f"at most {limit:g}{'' if value <= limit else ', EXCEEDED'}"
        print(f"| {name} | {value:,.{digits}f} {unit} | {verdict} |", flush=True)

    @staticmethod
    def begin(title):
        print(f"\n| {title} | | limit |\n|---|---|---|", flush=True)


def read(url, headers, *flags, readers=1):
    """Reads the whole body in each of `readers` connections. Returns the seconds and the bytes of one body."""
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "h2load", "-n", str(readers), "-c", str(readers), "-m", "1", *WINDOWS, *flags,
         *headers, url], capture_output=True, text=True, check=True).stdout
    if f"{readers} succeeded" not in output:
        sys.exit(f"h2load did not read all of {url}:\n{output}")
    number, unit = re.search(r"finished in ([\d.]+)(us|ms|s),", output).groups()
    count = int(re.search(r"\((\d+)\) data", output)[1])
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit], count / readers


def settled(pid):
    """Resident memory once it has not fallen for two seconds: the service returns memory when it is idle."""
    least, since, end = memory(pid, "VmRSS"), time.monotonic(), time.monotonic() + 30
    while time.monotonic() < min(since + 2, end):
        time.sleep(0.1)
        if memory(pid, "VmRSS") < least - 65_536:
            least, since = memory(pid, "VmRSS"), time.monotonic()
    return memory(pid, "VmRSS")


def first_line(service, tls):
    """Milliseconds until the first line of an account arrives, over HTTP/1.1."""
    start = time.monotonic()
    connection = socket.create_connection(("127.0.0.1", service.port))
    if tls:
        context = ssl.create_default_context(cafile=str(tls[1]))
        connection = context.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(
        f"GET /v2/billing/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.token}\r\n\r\n".encode())
    text = b""
    while b'"account_id"' not in text:
        more = connection.recv(65_536)
        if not more:
            sys.exit("the stream was closed before its first line")
        text += more
    connection.close()
    return (time.monotonic() - start) * 1e3


def wait_for_list(service, accounts):
    """Waits until the service has the list of all accounts. It reads the list for a stream of one account."""
    how = ["curl", "--silent", "--insecure", *service.headers, f"{service.stream_url}?limit=1"]
    end = time.monotonic() + 300
    while time.monotonic() < end:
        lines = subprocess.run(how, capture_output=True, text=True, check=True).stdout.splitlines()
        frames = [json.loads(line) for line in lines]
        if any(1 + frame.get("more", 0) >= accounts for frame in frames):
            return
        time.sleep(0.2)
    sys.exit("the service does not report the whole account list")


def compare(options, table, service, name, tls, folder):
    """The CPU time of a byte, beside the file servers in alternating rounds."""
    # nghttpd checks that the file exists when it is asked for it.
    nghttpd, peer = start_nghttpd(folder, options.port, "/lines", "", tls)
    # By sendfile, as distributions configure it.
    nginx = start_nginx(
        folder, options.port + 1, f"root {folder}/nghttpd;", tls,
        directives="sendfile on; tcp_nopush on; default_type application/x-ndjson;")
    file = folder / "nghttpd/lines"
    with stopped_at_end(nghttpd, nginx):
        subprocess.run(
            ["curl", "--silent", "--fail", "--insecure", "--http2" if tls else "--http2-prior-knowledge", "-o",
             str(file), *service.headers, service.stream_url], check=True)
        if b'"type":"end","complete":true' not in file.read_bytes()[-500:]:
            sys.exit("the stream was not complete")
        size = file.stat().st_size
        scheme = "https" if tls else "http"
        one, two = (["--npn-list=http/1.1"], ["--npn-list=h2"]) if tls else (["--h1"], [])
        targets = {
            "billing-service, HTTP/2": (service.pid, service.stream_url, two),
            "nghttpd, HTTP/2": (nghttpd.pid, f"{peer}/lines", two),
            "billing-service, HTTP/1.1": (service.pid, service.stream_url, one),
            "nginx, HTTP/1.1": (nginx.pid, f"{scheme}://127.0.0.1:{options.port + 1}/lines", one),
        }
        figures = {target: [] for target in targets}
        for _ in range(options.rounds):
            for target, (pid, url, flags) in targets.items():
                before = cpu_seconds(pid)
                seconds, count = read(url, service.headers, *flags)
                if abs(count - size) > 1000:
                    sys.exit(f"{target} sent {count} bytes instead of {size}")
                figures[target].append(((cpu_seconds(pid) - before) / count * 1e9, options.accounts / seconds))
    print(f"\n| {name}, {size / 1e6:.0f} MB | CPU ns/byte, median (min-max) | CPU us/line | lines/s |")
    print("|---|---|---|---|")
    for target, rounds in figures.items():
        cpu, speeds = zip(*rounds, strict=True)
        middle, speed = statistics.median(cpu), statistics.median(speeds)
        line = middle * size / options.accounts / 1e3
        print(f"| {target} | {middle:.3f} ({min(cpu):.3f}-{max(cpu):.3f}) | {line:.3f} | {speed:,.0f} |")
        table.rows.append({
            "figure": f"{name}, {target}", "cpu_ns_per_byte": cpu, "cpu_us_per_line": line, "lines_per_second": speed})

    def ratio(target, yardstick):
        return statistics.median(
            own[0] / other[0] for own, other in zip(figures[target], figures[yardstick], strict=True))
    table.begin(f"{name}: CPU time of a byte")
    table.add("HTTP/2, to nghttpd", ratio("billing-service, HTTP/2", "nghttpd, HTTP/2"), limit=2)
    table.add("HTTP/1.1, to nghttpd over HTTP/2", ratio("billing-service, HTTP/1.1", "nghttpd, HTTP/2"))
    table.add("HTTP/1.1, to nginx", ratio("billing-service, HTTP/1.1", "nginx, HTTP/1.1"))


def compare_readers(options, table, service, name, flags):
    """Memory of many readers, and the speed of one reader beside another that stalls."""
    table.begin(f"{name}: readers")
    peaks = []
    for readers in (1, options.readers):
        peak = Peak(service.pid)
        read(service.stream_url, service.headers, *flags, readers=readers)
        peaks.append(peak.stop())
        settled(service.pid)
    table.add(f"{options.readers} readers, resident memory above one", (peaks[1] - peaks[0]) / (1 << 20), "MiB", 32, 1)
    ratios = [slowdown(service, flags) for _ in range(options.rounds)]
    table.add("time of a reader beside a stalled one, to alone", statistics.median(ratios), limit=1.1)


def slowdown(service, flags):
    """The time of a reader beside one that stalls, to that of a reader alone."""
    alone, _ = read(service.stream_url, service.headers, *flags)
    stalled = subprocess.Popen(
        ["nghttp", "-n", *WINDOWS, *service.headers, service.stream_url],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.05)
    stalled.send_signal(signal.SIGSTOP)
    beside, _ = read(service.stream_url, service.headers, *flags)
    is_reading = stalled.poll() is None
    stalled.kill()
    stalled.wait()
    if not is_reading:
        sys.exit("the reader ended before it was stopped: use more --accounts")
    return beside / alone


def compare_lookups(options, table, service, name, flags):
    """Times of cached lookups without and with one reader at full speed, on the same event loop."""
    quiet, busy = [], []
    priorities = Priorities()
    for _ in range(options.rounds):
        quiet.append(lookup_times(service, options.seconds, priorities, cores=LOAD_CORE))
        reader = subprocess.Popen(
            [*priorities.reader, "taskset", "-c", LOAD_CORE, "h2load", "-n", "100000", "-c", "1", "-m", "1", *WINDOWS,
             *flags, *service.headers, service.stream_url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.3)
            busy.append(lookup_times(service, options.seconds, priorities, cores=LOAD_CORE))
        finally:
            reader.kill()
            reader.wait()
    table.begin(f"{name}: cached lookups beside one reader at full speed, medians of the rounds")
    for share, limit in ((0.5, None), (0.99, 1.5)):
        percent = f"p{share * 100:.0f}"
        alone, beside = ([percentile(times, share) for times in rounds] for rounds in (quiet, busy))
        ratios = [two / one for one, two in zip(alone, beside, strict=True)]
        table.add(f"{percent} without the reader", statistics.median(alone), "ms", digits=3)
        table.add(f"{percent} with the reader", statistics.median(beside), "ms", digits=3)
        table.add(f"{percent} to {percent}", statistics.median(ratios), limit=limit)


def measure(options, table, name, tls, folder):
    flags = ["--npn-list=h2"] if tls else []
    service = start_service(
        "--sandbox-accounts", str(options.accounts), "--cache-ttl", "1d", "--cache-max-bytes",
        f"{options.accounts * 2000 // (1 << 20) + 64}MiB", "--log-access-sample", "0.001", *options.flags, tls=tls,
        binary=options.binary)
    with stopped_at_end(service):
        table.begin(f"{name}: {options.accounts:,} accounts")
        start = settled(service.pid)
        table.add("first line, cold", first_line(service, tls), "ms", digits=0)
        wait_for_list(service, options.accounts)
        listed, before = settled(service.pid), cpu_seconds(service.pid)
        seconds, _ = read(service.stream_url, service.headers, *flags)
        cpu = cpu_seconds(service.pid) - before
        table.add("cold stream, with the sandbox", options.accounts / seconds, "lines/s", digits=0)
        table.add("cold stream, CPU with the sandbox", cpu / options.accounts * 1e6, "us/line")
        filled = settled(service.pid)
        table.add("memory of an account: list", (listed - start) / options.accounts, "bytes", digits=0)
        table.add("memory of an account: answers", (filled - listed) / options.accounts, "bytes", 400, 0)
        table.add("resident memory", mebibytes(service.pid, "VmRSS"), "MiB", digits=0)
        table.add("first line, warm", statistics.median(first_line(service, tls) for _ in range(9)), "ms", 50, 1)
        compare(options, table, service, name, tls, folder)
        compare_readers(options, table, service, name, flags)
        compare_lookups(options, table, service, name, flags)


def measure_cache(options):
    """Measure the longest pause of a cache reader, in a separate process."""
    print("\nThe cache alone, with another thread that reads it continuously (at most 5,000 us):\n", flush=True)
    subprocess.run([str(ROOT / ".build/release/CacheLoad"), str(options.accounts)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=4, help="seconds of cached lookups in each round")
    parser.add_argument("--port", type=int, default=18090, help="port of nghttpd; nginx uses the next one")
    parser.add_argument("--only", default="clear,tls,cache", help="parts to measure, of clear, tls and cache")
    parser.add_argument("--binary", default=RELEASE_BINARY)
    parser.add_argument("--output", type=pathlib.Path, help="folder for bulk.json")
    parser.add_argument("flags", nargs="*", help="more flags of billing-service, after --")
    options = parser.parse_args()
    require_tools("curl", "h2load", "nghttp", "nghttpd", "nginx", "taskset")
    parts = options.only.split(",")
    table = Table()
    for part, name in (("clear", "Clear text"), ("tls", "TLS")):
        if part in parts:
            with tempfile.TemporaryDirectory() as temporary:
                folder = pathlib.Path(temporary)
                measure(options, table, name, make_certificate(folder) if part == "tls" else None, folder)
    if "cache" in parts:
        measure_cache(options)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "bulk.json").write_text(json.dumps(table.rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
