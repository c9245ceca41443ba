#!/usr/bin/env python3
"""Measure replicas that share Zoom's rate limit through Redis, against a sandbox that enforces the limit.

    Benchmarks/replicas.py [--seconds 180] [--plan business] [--only SCENARIO] [--binary FILE]

Scenarios with four replicas and one redis-server, each for `--seconds`:

- shared: a stream at two replicas, callers with occasional lookups at all four.
- killed: the same, and every 20 seconds one of the replicas with a stream is killed and started again.
- idlest: one caller at a replica without a stream, with lookups of other accounts as fast as they are answered.
- split: for comparison, the same load as `shared` without Redis, with a quarter of the rate for each replica.

`used` is the part of the rate that became calls to Zoom. Needs the release build of billing-service and redis-server.
"""

import http.client
import json
import random
import subprocess
import tempfile
import threading
import time

from measuring import Listener, Program, add_caller, cpu_seconds, memory, run_scenarios

SCENARIOS = ("shared", "killed", "idlest", "split")
LIMITS = {"free": 2, "pro": 20, "business": 60}
REPLICAS = 4
KILL_INTERVAL = 20


class Replica:
    """A replica of the service, and a reader of its stream if it has one."""

    def __init__(self, flags, token, has_stream, binary):
        self.flags, self.token, self.has_stream, self.binary = flags, token, has_stream, binary
        self.service = self.stream = None
        self.start()

    def start(self):
        self.service = Listener("serve", *self.flags, binary=self.binary)
        if self.has_stream:
            self.stream = subprocess.Popen(
                ["curl", "--silent", "--http2-prior-knowledge", "-H", f"authorization: Bearer {self.token}",
                 "-H", "cache-control: no-cache", "--retry", "1000", "--retry-all-errors", "--retry-delay", "1",
                 f"http://127.0.0.1:{self.service.port}/v2/billing/stream"],
                stdout=subprocess.DEVNULL)

    def kill(self):
        self.service.process.kill()
        self.service.process.wait()
        self.end_stream()

    def end_stream(self):
        if self.stream:
            self.stream.kill()
            self.stream.wait()

    def stop(self):
        self.end_stream()
        self.service.stop()


def counts(port):
    """The sandbox's counts of requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/sandbox/counts")
    return json.loads(connection.getresponse().read())


def look_up(replica, token, accounts, every, end, answers):
    """Look up random accounts, with a mean pause of `every` seconds, until `end`. Collects (status, seconds)."""
    connection = None
    while time.monotonic() < end:
        time.sleep(random.uniform(0, 2) * every)
        start = time.monotonic()
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", replica.service.port, timeout=60)
            connection.request(
                "GET", f"/v2/accounts/{random.choice(accounts)}/billing",
                headers={"authorization": f"Bearer {token}", "cache-control": "no-cache"})
            response = connection.getresponse()
            response.read()
            answers.append((response.status, time.monotonic() - start))
        except OSError:
            connection = None
            time.sleep(0.1)
        except http.client.HTTPException:
            connection = None


def start_redis(folder):
    port = random.randrange(20_000, 32_000)
    redis = Program(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
         "--appendonly", "yes"])
    redis.wait_for_port(port)
    return redis, port


def measure(options, scenario):
    limit = LIMITS[options.plan]
    with tempfile.TemporaryDirectory() as folder:
        credentials, callers = f"{folder}/credentials.json", f"{folder}/callers.json"
        zoom = Listener(
            "sandbox", "--sandbox-port", "0", "--sandbox-limits", options.plan, "--sandbox-accounts", "100000",
            "--sandbox-credentials-file", credentials, binary=options.binary)
        rights = ("--scopes", "billing:read,billing:export")
        token = add_caller(options.binary, callers, "caller", *rights)
        redis = None
        sharing = ("--zoom-rate-share", str(1 / REPLICAS))
        if scenario != "split":
            redis, redis_port = start_redis(folder)
            sharing = ("--zoom-rate-share", "1", "--state-url", f"redis://127.0.0.1:{redis_port}")
        base = f"http://127.0.0.1:{zoom.port}"
        flags = (
            "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--shutdown-grace", "0s",
            "--credentials-file", credentials, "--callers-file", callers, "--zoom-plan", options.plan,
            "--zoom-api-url", base + "/v2", "--zoom-oauth-url", base + "/oauth/token", *sharing)
        replicas = [Replica(flags, token, number < 2, options.binary) for number in range(REPLICAS)]
        # The account list comes first.
        while counts(zoom.port)["billing"] < 3 * limit:
            time.sleep(0.1)
        connection = http.client.HTTPConnection("127.0.0.1", replicas[3].service.port, timeout=60)
        connection.request("GET", "/v2/accounts?page_size=300", headers={"authorization": f"Bearer {token}"})
        accounts = [account["id"] for account in json.loads(connection.getresponse().read())["accounts"]]

        before, start = counts(zoom.port), time.monotonic()
        redis_cpu = cpu_seconds(redis.process.pid) if redis else 0
        end = start + options.seconds
        answers = [[] for _ in replicas]
        threads = []
        for replica, collected in zip(replicas, answers, strict=True):
            # A twentieth of the rate together.
            every = REPLICAS / (limit * 0.05)
            count = 1
            if scenario == "idlest":
                is_caller = replica is replicas[3]
                every, count = (0, 32) if is_caller else (every, 0)
            threads += [
                threading.Thread(
                    target=look_up, daemon=True, args=(replica, token, accounts, every, end, collected))
                for _ in range(count)]
        for thread in threads:
            thread.start()
        kills = 0
        while time.monotonic() < end:
            time.sleep(max(min(KILL_INTERVAL, end - time.monotonic()), 0))
            if scenario == "killed" and time.monotonic() < end:
                victim = replicas[kills % 2]
                victim.kill()
                victim.start()
                kills += 1
        after, elapsed = counts(zoom.port), time.monotonic() - start
        figures = {
            "used": sum(after[kind] - before[kind] for kind in ("billing", "account_pages")) / (limit * elapsed),
            "refused": after["rate_limited"] - before["rate_limited"],
        }
        if redis:
            figures["redis_cpu"] = (cpu_seconds(redis.process.pid) - redis_cpu) / elapsed
            figures["redis_mib"] = memory(redis.process.pid, "VmRSS") / (1 << 20)
        for thread in threads:
            thread.join()
        for replica in replicas:
            replica.stop()
        if redis:
            redis.stop()
        zoom.stop()
    times = sorted(seconds for collected in answers for _, seconds in collected)
    figures["lookups"] = len(times)
    # The sandbox has accounts that pay for themselves, and others that were deleted: 400 and 404.
    figures["failed"] = sum(status not in (200, 400, 404) for collected in answers for status, _ in collected)
    if times:
        figures["p50_ms"] = times[len(times) // 2] * 1000
        figures["p99_ms"] = times[len(times) * 99 // 100] * 1000
    if scenario == "idlest":
        figures["caller"] = len(answers[3]) / elapsed / limit
    if kills:
        figures["kills"] = kills
    return figures


if __name__ == "__main__":
    run_scenarios(__doc__.splitlines()[0], SCENARIOS, LIMITS, "business", measure)
