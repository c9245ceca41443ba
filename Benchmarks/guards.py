#!/usr/bin/env python3
"""Check that a cached request costs no more instructions, allocations and system calls than guards.json permits.

    Benchmarks/guards.py [--protocol http2|http1] [--update] [--sites] [--binary FILE] [--request-cost FILE]

`log_line_instructions` counts what one line of the access log adds. Only a sample of the requests is logged.

These counts do not depend on the load of the machine. valgrind counts instructions and allocations over a connection
without a socket (Tests/RequestCost); the difference of two runs with different numbers of requests is exact. HTTP/2 has
32 requests at a time, and HTTP/1.1 one. strace counts system calls over sockets. A count may exceed guards.json by a
few percent.

`allocations` are those of the service, including what its calls of the standard library and of NIO allocate. Those of
nghttp2 and of the harness are printed, but have no limit. --sites lists the functions that allocate. --update writes
the measured counts.
"""

import argparse
import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from measuring import RELEASE_BINARY, ROOT, start_service

LIMITS = pathlib.Path(__file__).resolve().parent / "guards.json"
SLACK = {"instructions": 1.03, "log_line_instructions": 1.05, "allocations": 1.03, "system_calls": 1.25}
# A limit may be 0, and a buffer that grows adds some allocations to a run.
MARGIN = {"instructions": 0, "log_line_instructions": 0, "allocations": 0.02, "system_calls": 0}

# For each protocol: requests at a time, and the number of such batches in the short run and in the long one.
LOADS = {"http2": (32, 100, 300), "http1": (1, 1000, 7400)}
OWN, HARNESS, NGHTTP2 = "service", "harness", "nghttp2"


class Valgrind:
    """Runs RequestCost under valgrind, and counts what one request adds."""

    def __init__(self, program, folder, protocol):
        self.folder, self.protocol = folder, protocol
        self.streams, self.few, self.many = LOADS[protocol]
        # The valgrind of Debian 12 cannot read the debug information of Swift 6.
        self.program = folder / "RequestCost"
        subprocess.run(["objcopy", "--strip-debug", str(program), str(self.program)], check=True)

    def run(self, batches, *tool, words=()):
        result = subprocess.run(
            ["valgrind", *tool, str(self.program), str(batches), str(self.streams), self.protocol, *words],
            cwd=self.folder, capture_output=True, text=True, check=False)
        if result.returncode:
            sys.exit(f"valgrind could not count: {result.stdout[-1000:]}{result.stderr[-1000:]}")
        return result.stderr

    def per_request(self, few, many):
        return (many - few) / ((self.many - self.few) * self.streams)

    def instructions(self, *words):
        """The instructions of a request. `words` are arguments of RequestCost, for requests of another kind."""
        totals = []
        for batches in (self.few, self.many):
            output = self.run(batches, "--tool=callgrind", "--callgrind-out-file=/dev/null", words=words)
            totals.append(int(re.search(r"Collected : (\d+)", output)[1]))
        return self.per_request(*totals)

    def allocations(self):
        """The allocations by owner, and those of the service by function."""
        runs = []
        for batches in (self.few, self.many):
            profile = self.folder / "dhat.json"
            self.run(batches, "--tool=dhat", "--num-callers=60", f"--dhat-out-file={profile}")
            profile = json.loads(profile.read_text())
            counts = collections.Counter()
            for point in profile["pps"]:
                counts[owner([profile["ftbl"][frame] for frame in point["fs"]])] += point["tbk"]
            runs.append(counts)
        sites = {site: self.per_request(runs[0][site], count) for site, count in runs[1].items()}
        owners = collections.Counter()
        for (name, _), count in sites.items():
            owners[name] += count
        return owners, {function: count for (name, function), count in sites.items() if name == OWN and count > 0.01}


def owner(frames):
    """The owner of an allocation, and the function. The innermost frame that belongs to one of them decides."""
    for frame in frames:
        function = frame.split(": ", 1)[-1]
        if "libnghttp2" in frame:
            return NGHTTP2, ""
        if found := re.match(r"\$s.*?(8Adapters|6Domain|11NIOEmbedded|11RequestCost)", function):
            return HARNESS if found[1] in ("11NIOEmbedded", "11RequestCost") else OWN, function.split(" (in ")[0]
    return HARNESS, ""


def system_calls(binary, protocol):
    requests, streams = (64_000, 32) if protocol == "http2" else (16_000, 1)
    server = start_service("--cache-ttl", "1d", binary=binary)
    try:
        url, token = server.account_url, server.headers
        subprocess.run(
            ["curl", "--silent", "--fail", "--http2-prior-knowledge", *token, url], check=True, capture_output=True)
        with tempfile.NamedTemporaryFile() as output:
            trace = subprocess.Popen(
                ["strace", "-f", "-c", "-o", output.name, "-p", str(server.pid)], stderr=subprocess.DEVNULL)
            time.sleep(1)
            subprocess.run(
                ["h2load", "-n", str(requests), "-c", "16", "-m", str(streams),
                 *(["--h1"] if protocol == "http1" else []), *token, url], check=True, capture_output=True)
            trace.send_signal(signal.SIGINT)
            trace.wait()
            rows = re.findall(
                r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) .*?(\w+)$", pathlib.Path(output.name).read_text(), re.MULTILINE)
    finally:
        server.stop()
    names = ("read", "write", "writev", "epoll_wait", "sendto", "recvfrom")
    return sum(int(count) for count, name in rows if name in names) / requests


def measure(options, protocol):
    with tempfile.TemporaryDirectory() as folder:
        valgrind = Valgrind(options.request_cost, pathlib.Path(folder), protocol)
        instructions = valgrind.instructions()
        line = valgrind.instructions("logged") - instructions
        owners, sites = valgrind.allocations()
    print(f"{protocol}: allocations per request of "
          + ", ".join(f"{name} {owners[name]:.3f}" for name in (OWN, NGHTTP2, HARNESS)), flush=True)
    if options.sites:
        for function, count in sorted(sites.items(), key=lambda site: -site[1]):
            print(f"  {count:7.3f}  {function}")
    return {
        "instructions": instructions, "log_line_instructions": line, "allocations": owners[OWN],
        "system_calls": system_calls(options.binary, protocol),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=LOADS, help="only this one")
    parser.add_argument("--update", action="store_true", help="write the measured counts to guards.json")
    parser.add_argument("--sites", action="store_true", help="list the functions of the service that allocate")
    parser.add_argument("--binary", type=pathlib.Path, default=RELEASE_BINARY)
    parser.add_argument("--request-cost", type=pathlib.Path, default=ROOT / ".build/release/RequestCost")
    options = parser.parse_args()
    measured = {
        protocol: measure(options, protocol) for protocol in ([options.protocol] if options.protocol else LOADS)}
    limits = json.loads(LIMITS.read_text())
    if options.update:
        for protocol, counts in measured.items():
            limits[protocol] = {name: max(0.0, round(value, 3)) for name, value in counts.items()}
        LIMITS.write_text(json.dumps(limits, indent=2) + "\n")
    failures = 0
    for protocol, counts in measured.items():
        for name, value in counts.items():
            limit = limits[protocol][name] * SLACK[name] + MARGIN[name]
            is_met = value <= limit
            failures += not is_met
            print(f"{'ok    ' if is_met else 'FAILED'} {protocol}: {name} per cached request: {value:.3f}, "
                  f"at most {limit:.3f}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
