#!/usr/bin/env python3
"""Count the access tokens that three replicas obtain from a sandbox where a new token ends the older ones.

    Benchmarks/tokens.py [--seconds 120]

Two parts, each for `--seconds`: replicas that share their tokens in a file, and replicas that share nothing. Each
replica gets ten requests a second. After a third of the time every token is revoked. Needs the release build of
billing-service.
"""

import argparse
import http.client
import json
import tempfile
import threading
import time

import budget
from measuring import RELEASE_BINARY, Listener, add_caller


def look_up(service, token, account, end, statuses):
    client = budget.Client(service.port, token)
    while time.monotonic() < end:
        time.sleep(0.1)
        status, _ = client.get(f"/v2/accounts/{account}/billing")
        statuses[status] = statuses.get(status, 0) + 1


def measure(seconds, shares):
    with tempfile.TemporaryDirectory() as folder:
        credentials, callers = f"{folder}/credentials.json", f"{folder}/callers.json"
        zoom = Listener(
            "sandbox", "--sandbox-port", "0", "--sandbox-tokens", "superseding", "--sandbox-latency", "50ms",
            "--sandbox-credentials-file", credentials)
        first = budget.Client(zoom.port, budget.zoom_token(zoom, credentials)).get("/v2/accounts?page_size=1")
        account = json.loads(first[1])["accounts"][0]["id"]
        token = add_caller(RELEASE_BINARY, callers, "caller", "--scopes", "billing:read")
        base = f"http://127.0.0.1:{zoom.port}"
        before = budget.counts(zoom.port)["tokens"]
        sharing = ["--zoom-token-file", f"{folder}/tokens"] if shares else []
        services = [
            Listener(
                "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--shutdown-grace", "0s",
                "--credentials-file", credentials, "--callers-file", callers, "--zoom-plan", "business",
                "--zoom-rate-share", "1", "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token",
                *sharing)
            for _ in range(3)]
        end = time.monotonic() + seconds
        statuses = [{} for _ in services]
        threads = [
            threading.Thread(target=look_up, daemon=True, args=(service, token, account, end, statuses[index]))
            for index, service in enumerate(services)]
        for thread in threads:
            thread.start()
        time.sleep(seconds / 3)
        connection = http.client.HTTPConnection("127.0.0.1", zoom.port)
        connection.request("POST", "/sandbox/tokens/revoke")
        connection.getresponse().read()
        for thread in threads:
            thread.join()
        taken = budget.counts(zoom.port)["tokens"] - before
        for program in [*services, zoom]:
            program.stop()
        return taken, statuses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120)
    options = parser.parse_args()
    for shares in (True, False):
        taken, statuses = measure(options.seconds, shares)
        print(
            f"{'shared' if shares else 'separate':9} {options.seconds} s  tokens {taken}  responses by status, "
            f"for each replica: {json.dumps(statuses)}", flush=True)


if __name__ == "__main__":
    main()
