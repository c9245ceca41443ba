#!/usr/bin/env python3
"""Check the Grafana dashboard: its JSON against Grafana's types, and its queries against Prometheus.

    scripts/check-dashboard.py .build/debug/billing-service

Prometheus scrapes three replicas: one with Redis and one with a state file, both under load and with faults, and
one with TLS and no load. The second one restarts, which also fires an alert. Every query must return a number.
"""
import contextlib
import importlib
import json
import math
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import contract
import programs
import yaml
from contract import require
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

check_deploy = importlib.import_module("check-deploy")

# Members that Grafana's types lack, and Grafana's Prometheus plugin reads.
PLUGIN_MEMBERS = {"titleFormat", "step", "definition"}
LOAD_SECONDS = 20
RATE_INTERVAL = "30s"
DEADLINE_SECONDS = 120
FAULTS = [
    {"fault": "status", "status": 500, "operation": "billing", "probability": 0.05},
    {"fault": "429-second", "operation": "billing", "probability": 0.05},
    {"fault": "close", "operation": "plans", "probability": 0.2},
    {"fault": "html", "operation": "token", "times": 1},
]


# MARK: The document


def lost(given, read, path=""):
    """The places of members and values of `given` that `read` lacks."""
    if isinstance(given, dict):
        for name, value in given.items():
            place = f"{path}.{name}"
            if not isinstance(read, dict) or name not in read:
                yield from () if name in PLUGIN_MEMBERS else (place,)
            else:
                yield from lost(value, read[name], place)
    elif isinstance(given, list):
        if not isinstance(read, list) or len(given) != len(read):
            yield path
        else:
            for number, (one, other) in enumerate(zip(given, read, strict=True)):
                yield from lost(one, other, f"{path}[{number}]")
    elif given != read:
        yield path


def check_types(document):
    """Grafana's types read the document without loss: no member is unknown, and none has another type."""
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    places = list(lost(document, read))
    require(not places, f"not read: {', '.join(places)}")


def queries(document):
    """(title, expression) of every query of the dashboard, without variables."""
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], plain(target["expr"])
    for annotation in document["annotations"]["list"]:
        yield f"annotation {annotation['name']}", plain(annotation["expr"])
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", check_deploy.label_values(variable["definition"])


def plain(expression):
    return check_deploy.without_variables(expression.replace("$__rate_interval", RATE_INTERVAL))


# MARK: The replicas and their load


class Redis(programs.Program):
    def __init__(self, folder, port):
        super().__init__(["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", ""])
        self.wait_for_port(port)
        # Nobody reads its log.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()


class Prometheus(programs.Program):
    """Prometheus with the rules of deploy/, which scrapes each second."""

    def __init__(self, folder, port, targets):
        self.base = f"http://127.0.0.1:{port}"
        configuration = folder / "prometheus.yml"
        shutil.copy(check_deploy.ALERTS, folder / "alerts.yaml")
        job = {"job_name": "billing-service", "static_configs": [{"targets": targets}]}
        configuration.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["alerts.yaml"],
            "scrape_configs": [job]}), encoding="utf-8")
        super().__init__([
            check_deploy.tool("prometheus", "the Debian package prometheus"), f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
        self.wait_for_port(port)

    def numbers(self, expression):
        """The finite values of the series that a query returns now."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.base}/api/v1/query?{query}", timeout=30) as answer:
            data = json.load(answer)["data"]
        values = [data["result"][1]] if data["resultType"] == "scalar" else [one["value"][1] for one in data["result"]]
        return [value for value in map(float, values) if math.isfinite(value)]


class Load:
    """Requests of several threads for one replica, until it is stopped."""

    def __init__(self, service):
        self.service = service
        self.stopped = threading.Event()
        self.accounts = [one["id"] for one in service.get("/v2/accounts?page_size=300")["accounts"]]
        for fault in FAULTS:
            urllib.request.urlopen(
                f"http://127.0.0.1:{service.zoom_port}/sandbox/faults", json.dumps(fault).encode()).close()
        self.threads = [
            threading.Thread(target=self.repeat, args=(action,), daemon=True)
            for action in (self.look_up, self.look_up, self.change, self.stream)]
        for thread in self.threads:
            thread.start()

    def repeat(self, action):
        chosen = random.Random(1)
        while not self.stopped.is_set():
            # Errors are part of the load.
            with contextlib.suppress(OSError):
                action(chosen)
            self.stopped.wait(0.05)

    def send(self, path, method="GET", body=None, **fields):
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        fields["authorization"] = f"Bearer {self.service.token}"
        if body is not None:
            fields["content-type"] = "application/json"
        request = urllib.request.Request(
            self.service.base + path, body and json.dumps(body).encode(), fields, method=method)
        return urllib.request.urlopen(request, timeout=30)

    def look_up(self, chosen):
        account = chosen.choice([*self.accounts, "unknown"])
        path = f"/v2/accounts/{account}" + chosen.choice(["/billing", "/billing", "/plans", ""])
        self.send(path, prefer=f"wait={chosen.choice([0, 5])}").close()

    def change(self, chosen):
        account, key = chosen.choice(self.accounts), f'"{chosen.random()}"'
        city = {"city": chosen.choice(["Berkeley", "Oakland"])}
        self.send(f"/v2/accounts/{account}/billing", "PATCH", city, idempotency_key=key).close()

    def stream(self, _):
        with self.send("/v2/billing/stream") as answer:
            while not self.stopped.is_set() and answer.readline():
                pass

    def stop(self):
        self.stopped.set()


def flags(folder, port, ops_port):
    return ["--http-port", port, "--ops-port", ops_port, "--sandbox-limits", "pro", "--log-level", "error",
            "--sandbox-accounts", "400", "--refresh-interval", "1m", "--cache-ttl", "1m",
            "--trace-otlp-url", "http://127.0.0.1:9/v1/traces", "--callers-file", folder / "callers.json"]


def free_ports(count):
    """Random ports below the range that the system assigns to programs."""
    return random.sample(range(15_000, 25_000), count)


def check_queries(results, binary, document):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tls = programs.make_certificate(folder)
        programs.add_caller(binary, folder / "callers.json", "reports", "--scopes", "billing:read")
        redis_port, prometheus_port, *ports = free_ports(6)
        shared = [*flags(folder, *ports[:2]), "--state-url", f"redis://127.0.0.1:{redis_port}/0"]
        filed = [*flags(folder, *ports[2:]), "--state-file", folder / "state", "--state-write-interval", "1s"]
        with programs.stopped_at_end(Redis(folder, redis_port)) as running:
            services = [programs.Service(*shared, binary=binary), programs.Service(*filed, binary=binary)]
            running[:0] = services
            secure = programs.Service("--log-level", "error", binary=binary, tls=tls)
            targets = [one.operations.removeprefix("http://") for one in (*services, secure)]
            running[:0] = [secure, Prometheus(folder, prometheus_port, targets)]
            prometheus = running[1]
            loads = [Load(service) for service in services]
            time.sleep(LOAD_SECONDS / 2)
            programs.add_caller(binary, folder / "callers.json", "other", "--scopes", "billing:read")
            # The replica with the state file restarts.
            loads[1].stop()
            services[1].stop()
            running[running.index(services[1])] = restarted = programs.Service(*filed, binary=binary)
            loads[1] = Load(restarted)
            time.sleep(LOAD_SECONDS / 2)
            deadline = time.monotonic() + DEADLINE_SECONDS
            for title, expression in queries(document):
                results.run(title, lambda one=expression: check_query(prometheus, one, deadline))
            for load in loads:
                load.stop()


def check_query(prometheus, expression, deadline):
    while not (numbers := prometheus.numbers(expression)) and time.monotonic() < deadline:
        time.sleep(1)
    require(numbers, f"no number: {expression}")


def main(binary):
    results = contract.Results("dashboard")
    document = json.loads(check_deploy.DASHBOARD.read_text(encoding="utf-8"))
    results.run("Grafana's types read the dashboard", lambda: check_types(document))
    check_queries(results, binary, document)
    return results.exit_code()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
