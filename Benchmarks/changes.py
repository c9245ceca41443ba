#!/usr/bin/env python3
"""Measure what a change of an account costs beside a read that goes to Zoom.

    Benchmarks/changes.py [--requests 200] [--rounds 3] [--binary .build/release/billing-service]

One client reads accounts past the cache, changes their contact, and changes their base plan, in alternating rounds.
The table shows for each kind of request: CPU time of the service, its ratio to that of a read, median and 99th
percentile of the response time, and the number of fsync and fdatasync calls. The sandbox is a separate process. Needs
the release build of billing-service, and strace for the last column.
"""

import argparse
import http.client
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from measuring import RELEASE_BINARY, Listener, add_caller, stopped_at_end


def cpu_nanoseconds(pid):
    """CPU time of all threads of a process."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


class Client:
    def __init__(self, service, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port)
        self.headers = {"authorization": f"Bearer {token}"}

    def send(self, method, target, body=None, **headers):
        fields = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None:
            fields["content-type"] = "application/json"
            body = json.dumps(body)
        self.connection.request(method, target, body, fields)
        response = self.connection.getresponse()
        return response.status, response.read()


def read(client, account, _):
    return client.send("GET", f"/v2/accounts/{account}/billing", cache_control="no-cache")


def change_contact(client, account, number):
    return client.send(
        "PATCH", f"/v2/accounts/{account}/billing", {"phone_number": f"+1 555 {number:07}"},
        idempotency_key=f'"{uuid.uuid4()}"')


def change_plan(client, account, number):
    return client.send(
        "PUT", f"/v2/accounts/{account}/plans/base", {"type": "business_monthly", "hosts": 48 + number % 2},
        idempotency_key=f'"{uuid.uuid4()}"')


KINDS = {"read": read, "change of a contact": change_contact, "change of a plan": change_plan}


def usable_accounts(client, count):
    """Accounts with a base plan of the kind that `change_plan` changes."""
    status, body = client.send("GET", "/v2/billing/stream?only=records&include=plans")
    if status != 200:
        sys.exit(f"the stream was answered {status}")
    lines = [json.loads(line) for line in body.splitlines()]
    found = [
        line["account_id"] for line in lines
        if line.get("plans", {}).get("plan_base", {}).get("type") == "business_monthly"]
    return found[:count]


def run(kind, client, accounts, requests, times):
    for number in range(requests):
        began = time.monotonic()
        status, body = KINDS[kind](client, accounts[number % len(accounts)], number)
        times.append((time.monotonic() - began) * 1000)
        if status not in (200, 204):
            sys.exit(f"{kind}: {status} {body.decode()}")


def syncs(kind, client, accounts, requests, service):
    """Calls of fsync and fdatasync for a request; `None` without strace."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r") as output:
        tracer = subprocess.Popen(
            ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", output.name, "-p", str(service.pid)],
            stderr=subprocess.PIPE, text=True)
        # strace says when it is attached.
        tracer.stderr.readline()
        run(kind, client, accounts, requests, [])
        tracer.terminate()
        tracer.wait()
        return len(re.findall(r"fsync\(|fdatasync\(", pathlib.Path(output.name).read_text())) / requests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200, help="requests in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default=RELEASE_BINARY, type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, stopped_at_end() as programs:
        credentials, callers = f"{folder}/credentials.json", f"{folder}/callers.json"
        zoom = Listener(
            "sandbox", "--sandbox-port", "0", "--sandbox-accounts", "2000", "--sandbox-credentials-file", credentials,
            binary=options.binary)
        programs.append(zoom)
        token = add_caller(
            options.binary, callers, "bench", "--scopes",
            "billing:read,billing:write,billing:export,plans:read,plans:write")
        base = f"http://127.0.0.1:{zoom.port}"
        service = Listener(
            "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--http-event-loops", "1",
            "--credentials-file", credentials, "--callers-file", callers, "--state-file", f"{folder}/state.sqlite",
            "--zoom-plan", "business", "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token",
            binary=options.binary)
        programs.append(service)
        client = Client(service, token)
        accounts = usable_accounts(client, 50)
        times = {kind: [] for kind in KINDS}
        cpu = {kind: [] for kind in KINDS}
        for kind in KINDS:
            run(kind, client, accounts, 20, [])
        for _ in range(options.rounds):
            for kind in KINDS:
                before = cpu_nanoseconds(service.pid)
                run(kind, client, accounts, options.requests, times[kind])
                cpu[kind].append((cpu_nanoseconds(service.pid) - before) / options.requests / 1000)
        counts = {kind: syncs(kind, client, accounts, 20, service) for kind in KINDS}
        print(f"{'':22}{'CPU us':>10}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'fsyncs':>8}")
        for kind in KINDS:
            one = statistics.median(cpu[kind])
            ordered = sorted(times[kind])
            count = "-" if counts[kind] is None else f"{counts[kind]:.1f}"
            print(
                f"{kind:22}{one:10.0f}{one / statistics.median(cpu['read']):8.2f}{ordered[len(ordered) // 2]:9.1f}"
                f"{ordered[len(ordered) * 99 // 100]:9.1f}{count:>8}")


if __name__ == "__main__":
    main()
