#!/usr/bin/env python3
"""Measures how well the service uses Zoom's rate limit, against a sandbox that keeps it.

Five times as long as `--seconds` says: bulk alone; bulk and ten callers that ask now and then; bulk beside a rival program
of the same account, which asks in every other of its slots at random; bulk while Zoom fails 15 and 50 in 100 calls with
502, 500 and truncated bodies. Needs a release build, or another by `--binary`.

`used` is the share of the rate that became answers, of what the rival or the failures leave.
"""

import argparse
import base64
import http.client
import json
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = str(ROOT / ".build/release/billing-service")
SCENARIOS = ("bulk", "callers", "rival", "faults", "half")

# The chance of each fault. The sandbox tries one after another, so a chance is one of the requests that the ones before leave.
FAULTS = {
    "faults": (("html", 0.05), ("status", 0.05 / 0.95), ("truncation", 0.05 / 0.9)),
    "half": (("html", 0.2), ("status", 0.2 / 0.8), ("truncation", 0.1 / 0.6)),
}
FAILING = {"faults": 0.15, "half": 0.5}
LIMITS = {"free": 2, "pro": 20, "business": 60}


class Program:
    """A billing-service of some kind, and where it listens."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([BINARY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if match := re.search(r"Listening on http://127.0.0.1:(\d+)", line):
                self.port = int(match.group(1))
                return
        sys.exit(f"{arguments[0]} did not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Client:
    """One connection of HTTP/1.1."""

    def __init__(self, port, token=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.fields = {"authorization": f"Bearer {token}"} if token else {}

    def get(self, target):
        self.connection.request("GET", target, headers=self.fields)
        response = self.connection.getresponse()
        return response.status, response.read()


def counts(zoom):
    return json.loads(Client(zoom.port).get("/sandbox/counts")[1])


def zoom_token(zoom, credentials):
    app = json.loads(pathlib.Path(credentials).read_text())["masters"][0]
    connection = http.client.HTTPConnection("127.0.0.1", zoom.port)
    basic = f"{app['client_id']}:{app['client_secret']}".encode()
    connection.request(
        "POST", f"/oauth/token?grant_type=account_credentials&account_id={app['account_id']}", body="",
        headers={"authorization": "Basic " + base64.b64encode(basic).decode()})
    return json.loads(connection.getresponse().read())["access_token"]


def add_caller(callers, name):
    return subprocess.run(
        [BINARY, "callers", "add", "--callers-file", callers, "--name", name, "--scopes", "billing:read,billing:export"],
        check=True, capture_output=True, text=True).stdout.strip()


def ask(service, token, account, every, end, waits, failures):
    client = Client(service.port, token)
    while time.monotonic() < end:
        time.sleep(random.uniform(0.5, 1.5) * every)
        start = time.monotonic()
        status, _ = client.get(f"/v2/accounts/{account}/billing")
        waits.append(time.monotonic() - start)
        if status != 200:
            failures.append(status)


def rival(zoom, token, account, limit, end, passed, refused):
    client = Client(zoom.port, token)
    slot = time.monotonic()
    while slot < end:
        slot += 1 / limit
        if random.random() < 0.5:
            time.sleep(max(slot - time.monotonic(), 0))
            status, _ = client.get(f"/v2/accounts/{account}/billing")
            (passed if status == 200 else refused).append(slot)


def measure(options, scenario):
    limit = LIMITS[options.plan]
    with tempfile.TemporaryDirectory() as folder:
        credentials, callers = f"{folder}/credentials.json", f"{folder}/callers.json"
        faults = [
            {"fault": fault, "operation": "billing", "probability": chance}
            for fault, chance in FAULTS.get(scenario, ())]
        pathlib.Path(f"{folder}/faults.json").write_text(json.dumps({"faults": faults}))
        zoom = Program(
            "sandbox", "--sandbox-port", "0", "--sandbox-limits", options.plan, "--sandbox-accounts", "100000",
            "--sandbox-credentials-file", credentials, "--sandbox-faults-file", f"{folder}/faults.json")

        # Before there is anything else that spends the limit.
        accounts = json.loads(Client(zoom.port, zoom_token(zoom, credentials)).get("/v2/accounts?page_size=1")[1])
        account = accounts["accounts"][0]["id"]

        tokens = [add_caller(callers, f"caller-{number}") for number in range(10)]
        bulk = add_caller(callers, "bulk")
        base = f"http://127.0.0.1:{zoom.port}"
        service = Program(
            "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--shutdown-grace", "0s",
            "--credentials-file", credentials, "--callers-file", callers, "--zoom-plan", options.plan,
            "--zoom-rate-share", "1", "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token")
        stream = subprocess.Popen(
            ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", "-H", f"authorization: Bearer {bulk}",
             f"http://127.0.0.1:{service.port}/v2/billing/stream"], stdout=subprocess.PIPE, text=True)
        failed, told = [], []

        def read():
            for line in stream.stdout:
                if '"failure"' in line[:20] and '"code":2100' not in line:
                    failed.append(line)
                elif '"contact"' in line[:20] or '"failure"' in line[:20]:
                    told.append(time.monotonic())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        # The list of accounts comes first, and a second for the window to be full.
        while counts(zoom)["billing"] < 2 * limit:
            time.sleep(0.1)
        waits, rivals, rivals_refused, failures = [], [], [], []
        before, start = counts(zoom), time.monotonic()
        end = start + options.seconds
        threads = []
        if scenario == "callers":
            every = 10 / (limit * 0.05)
            threads = [
                threading.Thread(target=ask, daemon=True, args=(service, token, account, every, end, waits, failures))
                for token in tokens]
        elif scenario == "rival":
            threads = [
                threading.Thread(target=rival, daemon=True, args=(zoom, zoom_token(zoom, credentials), account, limit, end, rivals, rivals_refused))]
        for thread in threads:
            thread.start()
        time.sleep(max(end - time.monotonic(), 0))
        after, elapsed = counts(zoom), time.monotonic() - start
        for thread in threads:
            thread.join()
        stream.kill()
        service.stop()
        reader.join()
        zoom.stop()
    passed = after["billing"] - before["billing"] - len(rivals)
    refused = after["rate_limited"] - before["rate_limited"] - len(rivals_refused)
    figures = {
        "used": passed / (limit * elapsed - len(rivals)),
        "refused": refused, "refused_share": refused / max(passed + refused, 1), "rival": len(rivals) / (limit * elapsed),
        "failed": len(failed) + len(failures),
    }
    if scenario in FAULTS:
        lines = sum(start <= moment < end for moment in told)
        figures["used"] = lines / (limit * options.seconds * (1 - FAILING[scenario]))
    if waits:
        slot = 1 / limit
        figures["waits"] = len(waits)
        figures["median_slots"] = statistics.median(waits) / slot
        figures["p99_slots"] = sorted(waits)[len(waits) * 99 // 100] / slot
    return figures


def main():
    global BINARY
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=180, help="for each of the five")
    parser.add_argument("--plan", choices=LIMITS, default="pro")
    parser.add_argument("--only", choices=SCENARIOS)
    parser.add_argument("--binary", default=BINARY)
    options = parser.parse_args()
    BINARY = options.binary
    for scenario in [options.only] if options.only else SCENARIOS:
        figures = measure(options, scenario)
        print(f"{options.plan:9} {scenario:8} "
              + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
