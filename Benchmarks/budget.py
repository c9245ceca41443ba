#!/usr/bin/env python3
"""Measure how much of Zoom's rate limit the service uses, against a sandbox that enforces it.

    Benchmarks/budget.py [--seconds 180] [--plan pro] [--only SCENARIO] [--binary FILE]

Five scenarios, each for `--seconds`: a stream alone (bulk); a stream and ten callers with occasional lookups
(callers); a stream and another program of the same Zoom account, which calls in a random half of its slots (rival); a
stream while Zoom fails 15 or 50 of 100 calls with 502, 500 and truncated bodies (faults, half). Needs the release
build of billing-service, or another in `--binary`.

`used` is the share of the rate that became responses, of the share that the rival or the failures leave.
"""

import base64
import http.client
import json
import pathlib
import random
import statistics
import subprocess
import tempfile
import threading
import time

from measuring import Listener, add_caller, run_scenarios

SCENARIOS = ("bulk", "callers", "rival", "faults", "half")

# The probability of each fault. The sandbox tries one after another, so each applies to the requests that the faults
# before it have left.
FAULTS = {
    "faults": (("html", 0.05), ("status", 0.05 / 0.95), ("truncation", 0.05 / 0.9)),
    "half": (("html", 0.2), ("status", 0.2 / 0.8), ("truncation", 0.1 / 0.6)),
}
FAILING = {"faults": 0.15, "half": 0.5}
LIMITS = {"free": 2, "pro": 20, "business": 60}


class Client:
    """An HTTP/1.1 connection."""

    def __init__(self, port, token=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.fields = {"authorization": f"Bearer {token}"} if token else {}

    def get(self, target):
        self.connection.request("GET", target, headers=self.fields)
        response = self.connection.getresponse()
        return response.status, response.read()


def counts(zoom_port):
    """The sandbox's counts of requests."""
    return json.loads(Client(zoom_port).get("/sandbox/counts")[1])


def zoom_token(zoom, credentials):
    app = json.loads(pathlib.Path(credentials).read_text())["masters"][0]
    connection = http.client.HTTPConnection("127.0.0.1", zoom.port)
    basic = f"{app['client_id']}:{app['client_secret']}".encode()
    connection.request(
        "POST", f"/oauth/token?grant_type=account_credentials&account_id={app['account_id']}", body="",
        headers={"authorization": "Basic " + base64.b64encode(basic).decode()})
    return json.loads(connection.getresponse().read())["access_token"]


def look_up(service, token, account, every, end, waits, failures):
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
        zoom = Listener(
            "sandbox", "--sandbox-port", "0", "--sandbox-limits", options.plan, "--sandbox-accounts", "100000",
            "--sandbox-credentials-file", credentials, "--sandbox-faults-file", f"{folder}/faults.json",
            binary=options.binary)

        # Before anything else uses the rate.
        accounts = json.loads(Client(zoom.port, zoom_token(zoom, credentials)).get("/v2/accounts?page_size=1")[1])
        account = accounts["accounts"][0]["id"]

        rights = ("--scopes", "billing:read,billing:export")
        tokens = [add_caller(options.binary, callers, f"caller-{number}", *rights) for number in range(10)]
        bulk = add_caller(options.binary, callers, "bulk", *rights)
        base = f"http://127.0.0.1:{zoom.port}"
        service = Listener(
            "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--shutdown-grace", "0s",
            "--credentials-file", credentials, "--callers-file", callers, "--zoom-plan", options.plan,
            "--zoom-rate-share", "1", "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token",
            binary=options.binary)
        stream = subprocess.Popen(
            ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", "-H", f"authorization: Bearer {bulk}",
             f"http://127.0.0.1:{service.port}/v2/billing/stream"], stdout=subprocess.PIPE, text=True)
        failed, received = [], []

        def read():
            for line in stream.stdout:
                if '"failure"' in line[:20] and '"code":2100' not in line:
                    failed.append(line)
                elif '"contact"' in line[:20] or '"failure"' in line[:20]:
                    received.append(time.monotonic())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        # The account list comes first. Then the window needs a second to fill.
        while counts(zoom.port)["billing"] < 2 * limit:
            time.sleep(0.1)
        waits, rivals, rivals_refused, failures = [], [], [], []
        before, start = counts(zoom.port), time.monotonic()
        end = start + options.seconds
        threads = []
        if scenario == "callers":
            every = 10 / (limit * 0.05)
            threads = [
                threading.Thread(
                    target=look_up, daemon=True, args=(service, token, account, every, end, waits, failures))
                for token in tokens]
        elif scenario == "rival":
            threads = [
                threading.Thread(
                    target=rival, daemon=True,
                    args=(zoom, zoom_token(zoom, credentials), account, limit, end, rivals, rivals_refused))]
        for thread in threads:
            thread.start()
        time.sleep(max(end - time.monotonic(), 0))
        after, elapsed = counts(zoom.port), time.monotonic() - start
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
        "refused": refused, "refused_share": refused / max(passed + refused, 1),
        "rival": len(rivals) / (limit * elapsed),
        "failed": len(failed) + len(failures),
    }
    if scenario in FAULTS:
        lines = sum(start <= moment < end for moment in received)
        figures["used"] = lines / (limit * options.seconds * (1 - FAILING[scenario]))
    if waits:
        slot = 1 / limit
        figures["waits"] = len(waits)
        figures["median_slots"] = statistics.median(waits) / slot
        figures["p99_slots"] = sorted(waits)[len(waits) * 99 // 100] / slot
    return figures


if __name__ == "__main__":
    run_scenarios(__doc__.splitlines()[0], SCENARIOS, LIMITS, "pro", measure)
