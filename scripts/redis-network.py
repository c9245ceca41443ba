#!/usr/bin/env python3
"""Check that readers do not suffer while the network between the service and Redis is slow, or drops all packets.

    scripts/redis-network.py slow --binary .build/release/billing-service [--seconds 6]
    unshare --net scripts/redis-network.py dropped --binary .build/release/billing-service [--seconds 6]

`slow` delays each packet by a quarter of a second in both directions. `dropped` needs root, and a network namespace of
its own. Exits with 1 if a lookup fails, if cached responses wait for Redis, or if the service does not notice the end
of the fault.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from programs import RELEASE_BINARY, Program, Service, stopped_at_end

DELAY = 0.25
REDIS_PORT = 6379
# Addresses for documentation (RFC 5737), one at each end of the link.
SERVICE_ADDRESS, REDIS_ADDRESS = "192.0.2.1", "192.0.2.2"
NOBODY = "02:00:00:00:00:99"
REDIS_OPTIONS = ("--save", "", "--appendonly", "no", "--protected-mode", "no")
NOTICE_SECONDS = 60
# Accounts that pay for themselves, and deleted ones, have these answers too.
ANSWERS = (200, 400, 404)


class SlowNetwork:
    """A proxy before Redis that can delay what it passes on."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            redis_port = free.getsockname()[1]
        self.redis = Program(
            ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", folder, *REDIS_OPTIONS])
        self.redis.wait_for_port(redis_port)
        self.redis_port, self.delay = redis_port, 0
        self.loop = asyncio.new_event_loop()
        server = self.loop.run_until_complete(asyncio.start_server(self.connected, "127.0.0.1", 0))
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def connected(self, reader, writer):
        with contextlib.suppress(OSError):
            redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self.redis_port)
            await asyncio.gather(self.pass_on(reader, redis_writer), self.pass_on(redis_reader, writer))

    async def pass_on(self, reader, writer):
        parts = asyncio.Queue()

        async def write():
            while (part := await parts.get()) is not None:
                due, data = part
                await asyncio.sleep(max(0, due - time.monotonic()))
                writer.write(data)
                await writer.drain()
            writer.close()

        writing = asyncio.create_task(write())
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                parts.put_nowait((time.monotonic() + self.delay, data))
        parts.put_nowait(None)
        with contextlib.suppress(OSError):
            await writing

    def begin_fault(self):
        self.delay = DELAY

    def end_fault(self):
        self.delay = 0

    def stop(self):
        self.redis.stop()


class DroppedPackets:
    """A link to a Redis in another network namespace. A wrong link-layer address for Redis loses all packets to it."""

    def __init__(self, folder):
        run("ip", "link", "set", "lo", "up")
        self.inner = Program(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 1000"])
        self.inner.read_until("ready")
        run("ip", "link", "add", "to-redis", "type", "veth", "peer", "name", "redis", "netns", str(self.inner.pid))
        run("ip", "address", "add", f"{SERVICE_ADDRESS}/24", "dev", "to-redis")
        run("ip", "link", "set", "to-redis", "up")
        inside = ("nsenter", f"--net=/proc/{self.inner.pid}/ns/net")
        run(*inside, "ip", "address", "add", f"{REDIS_ADDRESS}/24", "dev", "redis")
        run(*inside, "ip", "link", "set", "redis", "up")
        self.redis = Program(
            [*inside, "redis-server", "--port", str(REDIS_PORT), "--bind", REDIS_ADDRESS, "--dir", folder,
             *REDIS_OPTIONS])
        self.address = f"{REDIS_ADDRESS}:{REDIS_PORT}"

    def begin_fault(self):
        run("ip", "neighbor", "replace", REDIS_ADDRESS, "lladdr", NOBODY, "dev", "to-redis", "nud", "permanent")

    def end_fault(self):
        run("ip", "neighbor", "delete", REDIS_ADDRESS, "dev", "to-redis")

    def stop(self):
        self.redis.stop()
        self.inner.stop()


def run(*command):
    subprocess.run(command, check=True)


class Lookups(threading.Thread):
    """Looks up accounts in turn, one after the other, until `stop`."""

    def __init__(self, service, accounts, fields, pause):
        super().__init__(daemon=True)
        self.service, self.accounts, self.pause = service, accounts, pause
        self.fields = {"authorization": f"Bearer {service.token}", **fields}
        self.times, self.failures, self.is_stopped = [], [], threading.Event()
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        number = 0
        while not self.is_stopped.wait(self.pause):
            began = time.monotonic()
            account = self.accounts[number % len(self.accounts)]
            connection.request("GET", f"/v2/accounts/{account}/billing", headers=self.fields)
            response = connection.getresponse()
            body = response.read()
            self.times.append(time.monotonic() - began)
            if response.status not in ANSWERS:
                self.failures.append((response.status, body[:200]))
            number += 1

    def stop(self):
        self.is_stopped.set()
        self.join()


def wait_for_sharing(service, status):
    """Returns whether the check of the shared rate gets this status in time."""
    end = time.monotonic() + NOTICE_SECONDS
    while time.monotonic() < end:
        with urllib.request.urlopen(service.operations + "/readyz?verbose", timeout=60) as response:
            statuses = {check["name"]: check["status"] for check in json.load(response)["checks"]}
        if statuses["shared-rate"] == status:
            return True
        time.sleep(0.05)
    return False


def main(options, folder):
    network = {"slow": SlowNetwork, "dropped": DroppedPackets}[options.fault](folder)
    checks = []
    with stopped_at_end(network) as programs:
        service = Service(
            "--state-url", f"redis://{network.address}/0", "--sandbox-limits", "business", "--sandbox-accounts", "300",
            "--shutdown-delay", "0s", binary=options.binary)
        programs.insert(0, service)
        accounts = [account["id"] for account in service.get("/v2/accounts?page_size=100")["accounts"]]
        cached, missing = accounts[:20], accounts[20:]
        for account in cached:
            with contextlib.suppress(urllib.error.HTTPError):
                service.get(f"/v2/accounts/{account}/billing")
        checks.append(("the replicas share the rate before the fault", wait_for_sharing(service, "good")))
        network.begin_fault()
        cached_lookups = Lookups(service, cached, {}, 0.002)
        missing_lookups = Lookups(service, missing, {"cache-control": "no-cache"}, 0.05)
        checks.append(("the service uses its own share during the fault", wait_for_sharing(service, "degraded")))
        time.sleep(options.seconds)
        stream = service.text("/v2/billing/stream")
        checks.append(("a stream is complete during the fault", '"type":"end"' in stream.splitlines()[-1]))
        network.end_fault()
        checks.append(("the replicas share the rate after the fault", wait_for_sharing(service, "good")))
        cached_lookups.stop()
        missing_lookups.stop()
        for name, reader in (("cached", cached_lookups), ("other", missing_lookups)):
            checks.append((f"no {name} lookup failed", not reader.failures, reader.failures[:3]))
            times = sorted(reader.times)
            print(f"{name} lookups: {len(times)}, median {times[len(times) // 2] * 1000:.1f} ms, 90th percentile "
                  f"{times[len(times) * 9 // 10] * 1000:.1f} ms")
        times = sorted(cached_lookups.times)
        # A busy machine delays some.
        checks.append(("cached responses do not wait for Redis", times[len(times) * 9 // 10] < DELAY / 2))
        service.stop()
        programs.remove(service)
    for name, is_good, *detail in checks:
        print(f"{'ok' if is_good else 'FAILED'}: {name} {detail if detail and not is_good else ''}".rstrip())
    return 0 if all(is_good for _, is_good, *_ in checks) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=("slow", "dropped"))
    parser.add_argument("--binary", default=RELEASE_BINARY, type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=6, help="how long the fault lasts, besides the checks")
    with tempfile.TemporaryDirectory() as place:
        sys.exit(main(parser.parse_args(), place))
