#!/usr/bin/env python3
"""Measure a restart with the cached answers in a file: the CPU time to read them, and when the service answers.

    Benchmarks/restart.py [--accounts 1000000] [--folder /var/tmp]

The service fills its cache with a stream and stores the answers. Then it is killed, and started again on the same
files. The table shows the file, the memory, and for the restart: when the first request is answered, when all answers
are read, and the CPU time until then. The sandbox runs in the service's process and is idle after the restart. The
answers are not encrypted: that needs credentials, and an embedded sandbox has none. Needs the release build of
billing-service.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

from measuring import RELEASE_BINARY, cpu_seconds, mebibytes, start_service, stopped_at_end


def metric(service, name):
    with urllib.request.urlopen(f"{service.operations}/metrics", timeout=30) as response:
        text = response.read().decode()
    values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)", text, re.MULTILINE)
    return sum(float(value) for value in values)


def wait_until(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the service is not as expected")
        time.sleep(0.05)


def wait_until_written(service):
    """Waits until no page has been written for three times the default interval of writing."""
    written, since = -1, time.monotonic()
    while time.monotonic() < since + 15:
        time.sleep(0.5)
        now = metric(service, "billing_state_answers_pages_total")
        if now != written or metric(service, "billing_state_answers_unwritten_pages") > 0:
            written, since = now, time.monotonic()


def stream(service):
    """The last line of a stream of all accounts."""
    command = ["curl", "--silent", "--fail", *service.headers, service.stream_url]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE)
    last = subprocess.run(["tail", "-n", "1"], stdin=reader.stdout, capture_output=True, text=True, check=True).stdout
    reader.wait()
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--folder", default="/var/tmp", help="where the files are: not a file system in memory")
    parser.add_argument("--binary", default=RELEASE_BINARY)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = pathlib.Path(name)
        flags = [
            "--sandbox-accounts", str(options.accounts), "--cache-ttl", "1d", "--state-file", str(folder / "state"),
            "--cache-max-bytes", f"{options.accounts * 600 // (1 << 20) + 64}MiB", "--log-access-sample", "0.001"]
        print(f"\n| {options.accounts:,} accounts | |\n|---|---|")
        service = start_service(*flags, binary=options.binary)
        with stopped_at_end(service):
            wait_until(lambda: '"complete":true' in stream(service))
            wait_until_written(service)
            print(f"| resident memory, filled | {mebibytes(service.pid, 'VmRSS'):,.0f} MiB |")
            entries = metric(service, "billing_cache_entries")
            service.process.kill()
            service.process.wait()
        size = sum(path.stat().st_size for path in folder.glob("state-answers*"))
        print(f"| answers file | {size / (1 << 20):,.0f} MiB, {size / options.accounts:,.0f} bytes an account |")
        began = time.monotonic()
        service = start_service(*flags, binary=options.binary)
        with stopped_at_end(service):
            service.get(f"/v2/accounts/{service.account}/billing")
            print(f"| first request answered after | {time.monotonic() - began:.2f} s |")
            wait_until(lambda: metric(service, "billing_cache_entries") >= entries * 0.999, 120)
            print(f"| all answers read after | {time.monotonic() - began:.2f} s |")
            print(f"| CPU time until then | {cpu_seconds(service.pid):.2f} s |")
            print(f"| answers | {metric(service, 'billing_cache_entries'):,.0f} of {entries:,.0f} |")
            print(f"| resident memory, restarted | {mebibytes(service.pid, 'VmRSS'):,.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
