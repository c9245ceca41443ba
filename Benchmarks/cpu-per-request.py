#!/usr/bin/env python3
"""CPU of a server process per request, ours beside nghttpd, in alternating rounds of one run.

    Benchmarks/cpu-per-request.py [--tls] [--rounds 5] [--requests 200000] [--connections 16] [--streams 32]

Needs the release build of billing-service, and h2load and nghttpd (Debian: nghttp2-client, nghttp2-server). The server
has core 0 and the load core 1; user and system time are read from /proc before and after each round, so what else the
machine does is not counted. Ratios are what to quote: absolute times differ from machine to machine and hour to hour.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = pathlib.Path(__file__).resolve().parent.parent


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Server:
    def __init__(self, command):
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def read_until(self, pattern):
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if re.search(pattern, line):
                return "".join(lines)
        sys.exit(f"{self.process.args} ended before it was ready")

    def wait_for_port(self, port):
        while self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        sys.exit(f"{self.process.args} ended before it was ready")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def make_certificate(folder):
    """On the spot, of the kind that most services have today."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


def start_ours(tls=None, *flags):
    binary = ROOT / ".build/release/billing-service"
    if tls:
        flags += ("--http-tls-key", str(tls[0]), "--http-tls-certificate", str(tls[1]))
    server = Server(
        [str(binary), "serve", "--sandbox", "--http-port", "0", "--ops-port", "0", "--http-event-loops", "1", *flags])
    text = server.read_until(r"^curl .*stream")
    token = re.search(r"authorization: Bearer (\S+?)'", text).group(1)
    base, account = re.search(r"(https?://[\d.:]+)/v2/accounts/([^/]+)/billing", text).groups()
    return server, base, account, ["-H", f"authorization: Bearer {token}"]


def start_nghttpd(folder, port, tls=None):
    # At the path, and asked for with the fields, that ours is asked with: HTTP/2 has to decode them all the same.
    file = folder / "v2/accounts/no-id-here/billing"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 199 + b"\n")
    how = [str(port), *map(str, tls)] if tls else ["--no-tls", str(port)]
    server = Server(["nghttpd", "-n", "1", "-d", str(folder), *how])
    server.wait_for_port(port)
    return server, f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def load(url, headers, options, requests, *flags):
    output = subprocess.run(
        ["taskset", "-c", "1", "h2load", "-n", str(requests), "-c", str(options.connections),
         "-m", str(options.streams), *flags, *headers, url], capture_output=True, text=True, check=True).stdout
    done = int(re.search(r"(\d+) done", output).group(1))
    if done != requests or int(re.search(r"(\d+) errored", output).group(1)):
        sys.exit(f"h2load did not finish cleanly against {url}:\n{output}")
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", output).group(1))
    statuses = re.search(r"status codes: (.*)", output).group(1)
    cipher = re.search(r"^Cipher: (\S+)", output, re.MULTILINE)
    return rate, statuses + (f"; {cipher.group(1)}" if cipher else "")


def percentiles(log):
    """The 50th and the 99th of the times in a log of h2load's, in microseconds."""
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    return times[len(times) // 2], times[len(times) * 99 // 100]


def measure(server, url, headers, options, requests):
    load(url, headers, options, max(1000, requests // 20))
    before = cpu_seconds(server.process.pid)
    rate, statuses = load(url, headers, options, requests)
    cpu = (cpu_seconds(server.process.pid) - before) / requests * 1e6
    with tempfile.TemporaryDirectory() as folder:
        # Not in the same breath: writing them down costs the load more than the request does.
        log = pathlib.Path(folder) / "times"
        load(url, headers, options, max(1000, requests // 10), f"--log-file={log}")
        return cpu, rate, statuses, percentiles(log)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tls", action="store_true", help="over TLS instead of in clear text")
    parser.add_argument("--port", type=int, default=18080, help="nghttpd's port")
    options = parser.parse_args()
    for tool in ("h2load", "nghttpd", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing")

    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(pathlib.Path(folder)) if options.tls else None
        ours, base, account, token = start_ours(tls)
        peer, peer_base = start_nghttpd(pathlib.Path(folder), options.port, tls)
        targets = {
            "nghttpd, file of 200 bytes": (peer, f"{peer_base}/v2/accounts/no-id-here/billing", token, options.requests),
            "malformed id, 400": (ours, f"{base}/v2/accounts/no%20id/billing", token, options.requests),
            "lookup through the sandbox, 200":
                (ours, f"{base}/v2/accounts/{account}/billing", token, options.requests // 10),
        }
        figures = {name: [] for name in targets}
        try:
            for _ in range(options.rounds):
                for name, (server, url, headers, requests) in targets.items():
                    figures[name].append(measure(server, url, headers, options, requests))
        finally:
            ours.stop()
            peer.stop()

    yardstick = [cpu for cpu, *_ in figures["nghttpd, file of 200 bytes"]]
    print(f"{options.connections} connections x {options.streams} streams, {options.rounds} alternating rounds\n")
    print("| server and request | CPU us/request, median (min-max) | ratio to nghttpd, median (min-max) | requests/s |")
    print("|---|---|---|---|")
    for name, rounds in figures.items():
        cpu = [figure[0] for figure in rounds]
        ratio = [own / other for own, other in zip(cpu, yardstick)]
        rate = statistics.median(figure[1] for figure in rounds)
        print(f"| {name} | {statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f}) "
              f"| {statistics.median(ratio):.2f} ({min(ratio):.2f}-{max(ratio):.2f}) | {rate:,.0f} |")
    print("\nThe lookup's figure includes both ends of the embedded sandbox: it runs in the same process.")


if __name__ == "__main__":
    main()
