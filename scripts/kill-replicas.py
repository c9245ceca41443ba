#!/usr/bin/env python3
"""Kill replicas and Redis while callers repeat changes, and count the changes that were made twice or not at all.

    scripts/kill-replicas.py --binary .build/release/billing-service [--seconds 300] [--rate 10]
        [--appendfsync everysec|always] [--wait-for-sync] [--seed 1] [--json FILE] [--folder FOLDER]

Three replicas are behind HAProxy, with the configuration in deploy/. Each caller has one change with an idempotency
key, and repeats it until it is answered finally. Some callers repeat it before they have an answer. Meanwhile replicas
and Redis are killed with SIGKILL at random and started again. The sandbox breaks some connections, also after a change
took effect, and has a list of all changes that it received. Exits with 1 if a change was made twice, or if an answer is
wrong.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback

import balancers
from balancers import (
    BALANCER,
    Certificates,
    Connection,
    Connections,
    HAProxy,
    Lost,
    Ports,
    Program,
    Redis,
    Replica,
    run,
)

# The longest times in seconds: a process runs, and a process is down.
REPLICA_LIFE, REDIS_LIFE, DOWN = 4, 9, 1
# Seconds between two attempts of a caller.
PAUSE = 0.25
# The fraction of attempts that are repeated without an answer, and how long these attempts wait for one, in seconds.
IMPATIENT_SHARE, PATIENCE = 0.2, 0.3
# Seconds: how long an attempt may take, and how long a caller may repeat its change after the last kill. A key of a
# killed replica has a lease of 30 seconds.
ATTEMPT_TIMEOUT, SETTLE_TIMEOUT = 40, 180
# How often a change with an unknown outcome is repeated, before its caller gives up.
UNKNOWN_ATTEMPTS = 5

# The faults of the connection to Zoom, and how often each occurs.
FAULTS = {
    "latency": 0.3, "reset": 0.03, "close": 0.03, "reset-after-effect": 0.03, "close-after-effect": 0.03,
    "no-answer-after-effect": 0.01, "status-after-effect": 0.03, "empty-created": 0.05, "success-200": 0.05}


class Change:
    """A change of an account of its own. Different operations take turns."""

    OPERATIONS = ("update-billing", "update-base", "subscribe-addon")

    def __init__(self, number, account):
        self.number, self.account, self.answer, self.attempts = number, account, None, 0
        if number % 4 == 1:
            # No account of the sandbox has this plan at first, or a read could prove a change that was never made.
            self.method, place = "PUT", "plans/base"
            body = {"type": "plan_business_two_years", "hosts": 11 + number % 30}
        elif number % 4 == 3:
            self.method, place = "POST", "plans/addons"
            body = {"type": "zsched_yearly", "hosts": 1 + number % 9}
        else:
            self.method, place = "PATCH", "billing"
            body = {"phone_number": f"+1 555 {1_000_000 + number}"}
        self.path, self.body = f"/v2/accounts/{account}/{place}", json.dumps(body).encode()

    def send(self, connection, token):
        fields = [("content-type", "application/json"), ("content-length", str(len(self.body))),
                  ("idempotency-key", f'"change-{self.number}"')]
        return connection.request(self.method, self.path, token, fields, self.body)

    @staticmethod
    def kind(status, body):
        """The answer in one word; `later` if the request must be repeated."""
        if 200 <= status < 300:
            return "done"
        if status == 504 and b"outcome-unknown" in body:
            return "unknown"
        if status in (409, 429, 502, 503, 504):
            return "later"
        return f"refused with {status}"


class Callers:
    """The callers of all changes, on a few connections."""

    CONNECTIONS = 6

    def __init__(self, port, tls, token, seed):
        self.port, self.tls, self.token, self.random = port, tls, token, random.Random(seed)
        self.connections = Connections(self.CONNECTIONS, port, tls)
        self.attempts, self.answers = 0, collections.Counter()

    async def attempt(self, change):
        """Sends the change once. Returns its answer; None if there was none in time."""
        self.attempts += 1
        change.attempts += 1
        is_impatient = self.random.random() < IMPATIENT_SHARE
        limit = self.random.uniform(0, PATIENCE) if is_impatient else ATTEMPT_TIMEOUT
        try:
            async with asyncio.timeout(limit):
                connection = await self.connections.get(self.random.randrange(self.CONNECTIONS))
                status, body = await change.send(connection, self.token).whole()
        except (Lost, TimeoutError):
            self.answers["none"] += 1
            return None
        self.answers[status] += 1
        return Change.kind(status, body)

    async def repeat(self, change, unknown_max=UNKNOWN_ATTEMPTS):
        """Repeats the change until it is answered finally, or `unknown_max` times that its outcome is unknown."""
        unknown = 0
        while True:
            answer = await self.attempt(change)
            if answer == "unknown":
                change.answer = answer
                unknown += 1
                if unknown == unknown_max:
                    return
            elif answer not in (None, "later"):
                change.answer = answer
                return
            await asyncio.sleep(self.random.uniform(0, 2 * PAUSE))


class Scenario:
    def __init__(self, options, folder):
        self.options, self.folder, self.random = options, folder, random.Random(options.seed)
        self.programs, self.checks, self.changes, self.figures = [], [], [], {"seed": options.seed}
        self.kills = collections.Counter()
        # Processes run for shorter times in a short run.
        self.replica_life, self.redis_life = (min(life, options.seconds / 3) for life in (REPLICA_LIFE, REDIS_LIFE))
        self.redis_was_killed = asyncio.Event()

    def check(self, name, is_good, detail=""):
        self.checks.append((name, bool(is_good), detail))

    def keep(self, program):
        self.programs.append(program)
        return program

    async def prepare(self):
        options, folder = self.options, self.folder
        count = int(options.seconds * options.rate)
        ports, certificates = Ports(), Certificates(folder)
        tls = await certificates.make_authority()
        await certificates.renew()
        credentials, callers = folder / "credentials.json", folder / "callers.json"
        zoom = self.keep(Program("sandbox", folder))
        await zoom.start(
            options.binary, "sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", credentials,
            "--sandbox-accounts", count, "--sandbox-latency", "50ms")
        self.zoom = (await zoom.line(r"Listening on (http://127.0.0.1:\d+)"))[1]
        token = await run(
            options.binary, "callers", "add", "--callers-file", callers, "--name", "job", "--scopes",
            "billing:read,billing:export,billing:write,plans:read,plans:write")
        self.redis = self.keep(Redis(folder, ports, options.appendfsync))
        await self.redis.begin()
        flags = [
            "--credentials-file", credentials, "--callers-file", callers, "--state-url", self.redis.url,
            "--zoom-api-url", f"{self.zoom}/v2", "--zoom-oauth-url", f"{self.zoom}/oauth/token", "--zoom-plan",
            "business", "--zoom-rate-share", "1", "--zoom-timeout", "1s", "--shutdown-delay", "0s",
            "--http-trusted-proxies", "127.0.0.0/8"]
        self.replicas = [
            self.keep(Replica(index, folder, options.binary, ports, flags))
            for index in range(len(balancers.REPLICAS))]
        await asyncio.gather(*(replica.begin() for replica in self.replicas))
        balancer = self.keep(HAProxy(options, folder, ports, certificates))
        await balancer.begin()
        self.callers = Callers(ports.balancer, tls, token.splitlines()[-1], options.seed + 1)
        accounts = await self.accounts()
        self.changes = [Change(number, account) for number, account in enumerate(accounts[:count])]
        for kind, probability in FAULTS.items():
            for operation in Change.OPERATIONS:
                fault = {"fault": kind, "operation": operation, "probability": probability}
                if kind == "latency":
                    fault["delay_ms"] = 15
                await self.post("faults", fault)

    async def post(self, path, document):
        await run(
            "curl", "--silent", "--fail", "--data", "@-", f"{self.zoom}/sandbox/{path}", text=json.dumps(document))

    async def accounts(self):
        """The ids of all accounts, by the service. A page fits into the flow-control window."""
        ids, page = [], ""
        while page is not None:
            try:
                connection = await Connection.open(BALANCER, self.callers.port, self.callers.tls)
                path = "/v2/accounts?page_size=100" + (f"&next_page_token={page}" if page else "")
                status, body = await connection.get(path, self.callers.token).whole()
                connection.close()
            except Lost:
                status = 0
            if status != 200:
                await asyncio.sleep(0.05)
                continue
            document = json.loads(body)
            ids += [account["id"] for account in document["accounts"]]
            page = document.get("next_page_token") or None
        return ids

    # MARK: Kills

    async def kill_replica_often(self, replica):
        while True:
            await asyncio.sleep(self.random.uniform(0, self.replica_life))
            await replica.end(signal.SIGKILL)
            self.kills["replicas"] += 1
            await asyncio.gather(*replica.readers)
            await asyncio.sleep(self.random.uniform(0, DOWN))
            await replica.begin()

    async def kill_redis_often(self):
        while True:
            await asyncio.sleep(self.random.uniform(0, self.redis_life))
            if self.options.wait_for_sync:
                await self.no_pending_sync()
            await self.redis.end(signal.SIGKILL)
            self.kills["Redis"] += 1
            self.redis_was_killed.set()
            await asyncio.gather(*self.redis.readers)
            await asyncio.sleep(self.random.uniform(0, DOWN))
            await self.redis.begin()

    async def no_pending_sync(self):
        """Waits until Redis runs no sync. While it runs one, it confirms changes that it has not written."""
        reader, writer = await asyncio.open_connection(balancers.REDIS, self.redis.port)
        while True:
            writer.write(b"INFO persistence\r\n")
            length = int((await reader.readline())[1:])
            if b"aof_pending_bio_fsync:0" in await reader.readexactly(length + 2):
                break
        writer.close()

    # MARK: The run

    async def run(self):
        await self.prepare()
        loops = [self.kill_replica_often(replica) for replica in self.replicas] + [self.kill_redis_often()]
        killers = [asyncio.create_task(loop) for loop in loops]
        callers = []
        began = time.monotonic()
        for number, change in enumerate(self.changes):
            await asyncio.sleep(max(0, began + number / self.options.rate - time.monotonic()))
            callers.append(asyncio.create_task(self.callers.repeat(change)))
            if failed := next((killer for killer in killers if killer.done()), None):
                failed.result()
        # A busy disk may always have a pending sync for a while.
        first_kill = asyncio.create_task(self.redis_was_killed.wait())
        await asyncio.wait([first_kill, *killers], timeout=SETTLE_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        first_kill.cancel()
        self.figures["seconds of kills"] = round(time.monotonic() - began)
        await self.end_kills(killers)
        async with asyncio.timeout(SETTLE_TIMEOUT):
            await asyncio.gather(*callers)
        await run("curl", "--silent", "--fail", "--request", "DELETE", f"{self.zoom}/sandbox/faults")
        first = [change.answer for change in self.changes]
        # Each request once more, with its key.
        async with asyncio.timeout(SETTLE_TIMEOUT):
            for start in range(0, len(self.changes), 20):
                await asyncio.gather(*(
                    self.callers.repeat(change, unknown_max=1) for change in self.changes[start:start + 20]))
        await self.compare(first)

    async def end_kills(self, killers):
        for killer in killers:
            killer.cancel()
        for result in await asyncio.gather(*killers, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        for program in [self.redis, *self.replicas]:
            if program.is_running:
                # A start that was interrupted may not have ended.
                await program.end(signal.SIGKILL)
            await asyncio.gather(*program.readers)
            await program.begin()

    async def compare(self, first):
        journal = await run("curl", "--silent", "--fail", f"{self.zoom}/sandbox/writes")
        applied, received = collections.Counter(), collections.Counter()
        for write in map(json.loads, journal.splitlines()):
            received[write["account_id"]] += 1
            applied[write["account_id"]] += write["effect"] == "applied"
        changes = self.changes
        done = [change for change in changes if change.answer == "done"]
        unknown = [change for change in changes if change.answer == "unknown"]
        refused = [change for change in changes if change.answer and change.answer.startswith("refused")]
        wrong = {
            "no change was made twice": [change for change in changes if applied[change.account] > 1],
            "no change was received twice": [change for change in changes if received[change.account] > 1],
            "each change that was answered 2xx was made": [
                change for change in done if not applied[change.account]],
            "no change that was refused was made": [change for change in refused if applied[change.account]],
            "each change has an answer": [change for change in changes if change.answer is None],
            "no final answer became another one": [
                change for change, before in zip(changes, first, strict=True)
                if before != "unknown" and change.answer != before]}
        for name, numbers in wrong.items():
            self.check(name, not numbers, ", ".join(
                f"{change.number}: {change.answer}, received {received[change.account]} times, made "
                f"{applied[change.account]} times" for change in numbers[:10]))
        self.check("most changes were made", len(done) > len(changes) / 2, f"{len(done)} of {len(changes)}")
        self.check("replicas and Redis were killed", self.kills["replicas"] and self.kills["Redis"], f"{self.kills}")
        self.figures |= {
            "changes": len(changes), "attempts": self.callers.attempts, "kills of replicas": self.kills["replicas"],
            "kills of Redis": self.kills["Redis"], "done": len(done), "refused": len(refused),
            "unknown at first": first.count("unknown"), "unknown": len(unknown),
            "unknown and made": sum(applied[change.account] > 0 for change in unknown),
            "made": sum(applied.values()), "doubled": len(wrong["no change was made twice"]),
            "lost": len(wrong["each change that was answered 2xx was made"]),
            "answers": {str(status): count for status, count in sorted(
                self.callers.answers.items(), key=lambda answer: -answer[1])}}

    def report(self):
        for name, figure in self.figures.items():
            print(f"{name}: {figure}")
        for name, is_good, detail in self.checks:
            print(f"{'ok' if is_good else 'FAILED'}: {name}{'' if is_good or not detail else f' ({detail})'}")
        if self.options.json:
            pathlib.Path(self.options.json).write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")


async def main(options, folder):
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    scenario = Scenario(options, folder)
    try:
        async with asyncio.timeout(600 + options.seconds * 2):
            await scenario.run()
    except (OSError, TimeoutError, RuntimeError, Lost) as error:
        traceback.print_exc()
        scenario.check("the scenario completed", False, f"{type(error).__name__}: {error}")
    finally:
        for program in reversed(scenario.programs):
            await program.finish()
    scenario.report()
    return 0 if all(is_good for _, is_good, _ in scenario.checks) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--binary", default=balancers.ROOT / ".build/release/billing-service", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=300, help="length of the time with kills")
    parser.add_argument("--rate", type=float, default=10, help="new changes a second")
    parser.add_argument("--appendfsync", choices=("everysec", "always"), default="everysec", help="of Redis")
    parser.add_argument("--wait-for-sync", action="store_true",
                        help="kill Redis only while it runs no sync, so that all that it confirmed is in its file")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between kills")
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--folder", type=pathlib.Path, help="folder for the logs")
    parser.set_defaults(balancer="haproxy")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        if chosen.folder:
            chosen.folder.mkdir(parents=True, mode=0o700)
        place = chosen.folder or pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        sys.exit(asyncio.run(main(chosen, place.resolve())))
