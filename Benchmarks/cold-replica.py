#!/usr/bin/env python3
"""Measure a new replica that streams all accounts from the answers in Redis.

    Benchmarks/cold-replica.py [--accounts 1000000] [--rounds 3]

A first replica lists the accounts of a sandbox, at the rate of Zoom's Business plan, and CacheLoad stores an answer for
each of them in Redis. Then each round starts a new replica, streams all accounts from it, and streams them again from
its own cache. The sandbox counts the requests. Needs the release builds of billing-service and CacheLoad, and
redis-server.
"""

import argparse
import base64
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from measuring import RELEASE_BINARY, Listener, add_caller, cpu_seconds, mebibytes, memory, stopped_at_end
from replicas import counts, start_redis

CACHE_LOAD = RELEASE_BINARY.parent / "CacheLoad"


def account_ids(port, app):
    """The ids of all accounts, from the sandbox."""
    def get(path, authorization, data=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", headers={"authorization": authorization}, data=data)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    form = f"grant_type=account_credentials&account_id={app['account_id']}".encode()
    pair = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()
    token = get("/oauth/token", f"Basic {pair}", form)["access_token"]
    page = ""
    while page is not None:
        document = get(f"/v2/accounts?page_size=300{page}", f"Bearer {token}")
        yield from (account["id"] for account in document["accounts"])
        page = f"&next_page_token={document['next_page_token']}" if document.get("next_page_token") else None


def stream(replica, token):
    """Reads the stream of all accounts. Returns the seconds, and the number of answers."""
    began = time.monotonic()
    reader = subprocess.Popen(
        ["curl", "--silent", "--fail", "--http2-prior-knowledge", "-H", f"authorization: Bearer {token}",
         f"http://127.0.0.1:{replica.port}/v2/billing/stream"], stdout=subprocess.PIPE)
    lines = 0
    while part := reader.stdout.read(1 << 20):
        lines += part.count(b"\n")
        last = part
    seconds = time.monotonic() - began
    if reader.wait() != 0 or b'"type":"end"' not in last[-1000:].replace(b" ", b""):
        raise SystemExit(f"the stream was not complete: {last[-300:]}")
    return seconds, lines


def main(options, folder):
    credentials, callers = folder / "credentials.json", folder / "callers.json"
    zoom = Listener(
        "sandbox", "--sandbox-port", "0", "--sandbox-accounts", str(options.accounts), "--sandbox-credentials-file",
        credentials)
    redis, redis_port = start_redis(str(folder))
    with stopped_at_end(zoom, redis) as programs:
        token = add_caller(RELEASE_BINARY, callers, "caller", "--scopes", "billing:read,billing:export")
        app = json.loads(credentials.read_text())["masters"][0]
        base = f"http://127.0.0.1:{zoom.port}"
        flags = (
            "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--shutdown-grace", "0s",
            "--credentials-file", credentials, "--callers-file", callers, "--zoom-plan", "business",
            "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token", "--zoom-rate-share", "1",
            "--state-url", f"redis://127.0.0.1:{redis_port}", "--cache-ttl", "1h", "--cache-max-bytes", "2GiB")
        (folder / "ids").write_text("\n".join(account_ids(zoom.port, app)))
        began = time.monotonic()
        subprocess.run(
            [CACHE_LOAD, "share", str(redis_port), f"{app['account_id']} 127.0.0.1:{zoom.port}/v2", folder / "ids"],
            check=True)
        print(f"stored {options.accounts / (time.monotonic() - began):,.0f} answers a second, "
              f"{memory(redis.pid, 'VmRSS') / options.accounts:.0f} bytes of Redis each")
        first = Listener("serve", *flags)
        programs.append(first)
        before = counts(zoom.port)
        seconds, _ = stream(first, token)
        print(f"first replica, which lists the accounts: {seconds:.1f} s, {report(before, counts(zoom.port))}")
        first.stop()
        for _ in range(options.rounds):
            measure(Listener("serve", *flags), redis, zoom, token, programs)


def measure(replica, redis, zoom, token, programs):
    programs.append(replica)
    before, cpu, redis_cpu = counts(zoom.port), cpu_seconds(replica.pid), cpu_seconds(redis.pid)
    seconds, lines = stream(replica, token)
    cpu, redis_cpu = cpu_seconds(replica.pid) - cpu, cpu_seconds(redis.pid) - redis_cpu
    after = counts(zoom.port)
    again, _ = stream(replica, token)
    print(f"new replica: {lines / seconds:,.0f} lines/s ({seconds:.2f} s, CPU of the replica {cpu:.2f} s, of Redis "
          f"{redis_cpu:.2f} s), {report(before, after)}, {mebibytes(replica.pid, 'VmHWM'):.0f} MiB; "
          f"from its cache {lines / again:,.0f} lines/s", flush=True)
    replica.stop()
    programs.remove(replica)


def report(before, after):
    return (f"{after['billing'] - before['billing']} lookups and {after['account_pages'] - before['account_pages']} "
            "pages from Zoom")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    with tempfile.TemporaryDirectory() as place:
        main(parser.parse_args(), pathlib.Path(place))
