#!/usr/bin/env python3
"""Check openapi.yaml and the service against each other: the document, its examples, and real responses.

    scripts/check-openapi.py .build/debug/billing-service

Each documented status of each operation, and each type of problem, must be shown by a case of the tables below. A case
sends a request, and the document decides whether the response is right: its status, media type, header fields and body.
"""
import concurrent.futures
import contextlib
import ctypes
import dataclasses
import datetime
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import contract
import openapi_spec_validator
import programs
from contract import PROBLEM, require

ACCOUNTS_LIST = "/v2/accounts"
ACCOUNT = "/v2/accounts/{accountId}"
BILLING = "/v2/accounts/{accountId}/billing"
INVOICES = "/v2/accounts/{accountId}/billing/invoices"
INVOICE = f"{INVOICES}/{{invoiceId}}"
PLANS = "/v2/accounts/{accountId}/plans"
USAGE = "/v2/accounts/{accountId}/plans/usage"
KEY = "/v2/billing/idempotency-keys/{key}"
STREAM = "/v2/billing/stream"
FILES = ("/v2/billing/invoices/{invoiceId}/download", "/v2/api/download/billing/invoices/{invoiceId}")
REQUEST_ID = "check-openapi"
UNKNOWN = "Zm9vYmFyZm9vYmFyZm9vYg"
TIMEOUT = 300
ACCOUNTS = 250
TODAY = datetime.datetime.now(datetime.UTC).date()
PERIOD = f"from={TODAY - datetime.timedelta(days=364)}&to={TODAY}"
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
HTML, JSONL = {"field": "accept: text/html"}, {"field": "accept: application/jsonl"}
LARGE = {"field": f"x-large: {'x' * 17_000}"}
# Problem types that no case shows, and why.
NOT_SHOWN = {
    "zoom-permission": "the sandbox's app has all scopes; a test of the service with another app shows it",
    "state-unavailable": "the disk of the state file must be full; a test of the service with a failing store shows it",
    "zoom-account-list": "the sandbox's list is always usable; a test of the service with another list shows it",
}


class Service(programs.Service):
    """The service with a sandbox, and more callers than the one with all scopes."""

    def __init__(self, binary, *flags):
        # Deleted with the service.
        self.folder = tempfile.TemporaryDirectory()
        self.operator_token = pathlib.Path(self.folder.name, "operator-token")
        self.operator_token.touch(mode=0o600)
        self.operator_token.write_text("token of the operators\n", encoding="utf-8")
        callers = f"{self.folder.name}/callers.json"
        rights = "billing:read,billing:write,billing:export,invoices:read,plans:read,plans:write"
        self.scopeless = programs.add_caller(binary, callers, "scopeless", "--scopes", "plans:dry-run")
        self.exporter = programs.add_caller(binary, callers, "exporter", "--scopes", "billing:export")
        self.limited = programs.add_caller(binary, callers, "limited", "--scopes", rights, "--accounts", "one,two")
        self.spent = programs.add_caller(binary, callers, "spent", "--scopes", rights, "--rate", "1,0/s")
        super().__init__(
            "--sandbox-accounts", str(ACCOUNTS), "--callers-file", callers, "--log-level", "error",
            *(flag.format(operator_token=self.operator_token) for flag in flags), binary=binary)
        self.paid, self.self_pay = self.accounts

    def request(
            self, method, target, token=None, field=None, version="--http2-prior-knowledge", operations=False,
            body=None, compressed=False):
        """The response as (status, header fields, body). `field` is a header field to send, or a list of them.

        Without `token` the service's own is sent, and with "" none.
        """
        command = ["curl", "--silent", "--show-error", "--max-time", str(TIMEOUT), version]
        # For HEAD, curl checks that there is no body, and prints the header fields.
        command += ["--head"] if method == "HEAD" else ["--dump-header", "-", "--request", method]
        command += ["-H", f"x-request-id: {REQUEST_ID}"] + (["--compressed"] if compressed else [])
        token = self.token if token is None else token
        command += ["-H", f"authorization: Bearer {token}"] if token else []
        for one in [field] if isinstance(field, str) else field or []:
            command += ["-H", one]
        command += ["--data-binary", body] if body is not None else []
        command += ["--request-target", target] if target == "*" else []
        url = (self.operations if operations else self.base) + ("/" if target == "*" else target)
        result = subprocess.run([*command, url], capture_output=True, timeout=TIMEOUT + 5, check=False)
        require(result.returncode == 0, result.stderr.decode().strip())
        return parsed(result.stdout)

    def invoices(self, account):
        """The status of a list of invoices, and their ids."""
        status, _, body = self.request("GET", f"/v2/accounts/{account}/billing/invoices?{PERIOD}")
        return status, [invoice["id"] for invoice in json.loads(body).get("invoices", [])]

    def zoom(self, method, path, body=None):
        """A request to the sandbox's own API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.zoom_port}/sandbox/{path}", method=method,
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.read()

    @contextlib.contextmanager
    def fault(self, fault):
        """Let Zoom fail meanwhile."""
        self.zoom("POST", "faults", fault)
        try:
            yield
        finally:
            self.zoom("DELETE", "faults")

    def check_stop(self):
        code = self.stop()
        require(code == 0, f"exit code {code}")


class Services:
    """Services that are started when a case needs them."""

    def __init__(self, binary):
        self.binary = binary
        self.ordinary = Service(binary, "--zoom-retry-time", "0s", "--callers-failures", "1000,1000/s")
        self.started = {"ordinary": self.ordinary}
        self.connections = []

    def named(self, name):
        if name not in self.started:
            service = Service(self.binary, *{
                # Its one request may be open for as long as the cases take.
                "full": ("--http-limits-requests-in-flight", "1", "--http-timeouts-body-silence", "1h"),
                "hasty": ("--http-timeouts-request", "500ms", "--http-timeouts-headers", "200ms"),
                "guessed": ("--callers-failures", "1,0/s"),
                "stuck": ("--http-event-loops", "2"),
                "ending": ("--shutdown-grace", "0s"),
                "impatient": ("--zoom-timeout", "200ms", "--zoom-retry-time", "0s"),
                "broken": ("--zoom-retry-time", "0s"),
                "waiting": ("--zoom-timeout", "2s", "--zoom-retry-time", "0s"),
                "careful": ("--writes-require-if-match", "true"),
                "protected": ("--ops-token-file", "{operator_token}"),
                "besieged": ("--ops-token-file", "{operator_token}", "--callers-failures", "1,0/s"),
                # Its keys are in memory.
                "forgetful": ("--writes-require-durable", "true"),
                # A service for each refusal by Zoom, since it affects all later calls.
                "refused": (), "limited": (), "limited for the day": (),
            }[name])
            self.started[name] = service
            prepare = getattr(self, f"prepare_{name}", None)
            if prepare:
                prepare(service)
        return self.started[name]

    def prepare_full(self, service):
        """Leave one request open, whose body does not end."""
        connection = socket.create_connection(("127.0.0.1", service.port), timeout=TIMEOUT)
        self.connections.append(connection)
        connection.sendall(
            f"POST {STREAM} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {service.token}\r\n"
            "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        require(connection.recv(12) == b"HTTP/1.1 200", "the stream did not begin")

    def prepare_guessed(self, service):
        service.request("GET", STREAM, token="wrong")

    def prepare_besieged(self, service):
        service.request("GET", "/status", token="wrong", operations=True)

    def prepare_broken(self, service):
        """Let Zoom fail until the circuit breaker opens."""
        with service.fault({"fault": "html", "operation": "billing"}):
            for _ in range(20):
                service.request("GET", f"/v2/accounts/{service.paid}/billing")

    def prepare_stuck(self, service):
        """Stop the thread of one event loop that serves requests, and wait until a probe notices."""
        tasks = pathlib.Path(f"/proc/{service.pid}/task")
        loop = next(task.name for task in tasks.iterdir() if (task / "comm").read_text().startswith("NIO-ELT-1"))
        libc = ctypes.CDLL(None, use_errno=True)
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            require(libc.ptrace(request, int(loop), None, None) == 0, f"ptrace: error {ctypes.get_errno()}")
        until = time.monotonic() + TIMEOUT
        while service.request("GET", "/livez", operations=True)[0] == 200 and time.monotonic() < until:
            time.sleep(0.2)

    def stop(self):
        """Send SIGTERM to all services. The ordinary one must end without an error."""
        for connection in self.connections:
            connection.close()
        for name, service in self.started.items():
            if name == "stuck":
                # It cannot end in order.
                service.process.kill()
            elif name != "ordinary":
                service.stop()
        self.ordinary.check_stop()


class Streams:
    """Checks of streams. The accounts of the whole stream are compared with those of the others."""

    def __init__(self):
        self.ids = []
        self.unused = []
        # When the last whole stream ended.
        self.moment = ""

    def next_account(self):
        """An account that no other case uses, and for which the master account pays."""
        return self.unused.pop()

    def read(self, body):
        lines = [json.loads(line) for line in body.split("\n")[:-1]]
        return [line["type"] for line in lines], [line["account_id"] for line in lines if "account_id" in line]

    def whole(self, body):
        types, self.ids = self.read(body)
        self.unused = [each for each, kind in zip(self.ids, types[1:-1], strict=True) if kind == "contact"][5:]
        require(types[0] == "begin" and types[-1] == "end", "not from begin to end")
        require(self.ids == sorted(set(self.ids)) and len(self.ids) == ACCOUNTS, "not every account once, in order")
        self.moment = json.loads(body.split("\n")[-2])["as_of"]

    def records(self, body):
        types, ids = self.read(body)
        require(set(types) <= {"contact", "failure"} and ids == self.ids, "not the records of the whole stream")

    def changes(self, body):
        end = json.loads(body.split("\n")[-2])
        require(end["unchanged"] + end["contacts"] + end["failures"] == ACCOUNTS, "not all accounts")

    def limited(self, body):
        types, ids = self.read(body)
        require(types == ["begin", "failure", "failure", "end"] and ids == ["one", "two"], "not the caller's accounts")

    def limit(self, body):
        lines = [json.loads(line) for line in body.split("\n")[:-1]]
        require(self.read(body)[1] == self.ids[:3] and lines[-1]["more"] == ACCOUNTS - 3, "not the first three")
        require(all(set(line["billing"]) == {"country", "zip"} for line in lines if "billing" in line), "other fields")

    def arrival(self, body):
        require(sorted(self.read(body)[1]) == self.ids, "not every account once")

    def chosen(self, body):
        types, ids = self.read(body)
        require(types[0] == "begin" and types[-1] == "end" and types[-2] == "failure", "not from begin to end")
        require(ids == self.ids[2::-1] and '"line":4' in body, "not what was chosen")

    def kinds(self, *names):
        """A check that each account has a line of each kind, in order."""
        def check(body):
            lines = [json.loads(line) for line in body.split("\n")[1:-2]]
            read = [(line["account_id"], line.get("kind", line["type"])) for line in lines]
            ids = self.ids[:len(read) // len(names)]
            require(ids and read == [(account, name) for account in ids for name in names], f"not {names}")
        return check

    def none(self, body):
        require(self.read(body) == (["begin", "end"], []), "an account that was not chosen")

    def rest(self, body):
        require(self.read(body)[1] == self.ids[101:], "not the accounts after the one named")


@dataclasses.dataclass
class Case:
    """A request, and the response that the document promises."""

    # A path of the document, or the name of a response outside any operation.
    place: str
    method: str
    target: str
    status: int
    code: int | None = None
    # Arguments of `Service.request`.
    options: dict = dataclasses.field(default_factory=dict)
    check_body: object = None
    # The name of one of `Services`.
    service: str = "ordinary"
    # A fault of the sandbox.
    fault: dict | None = None

    def __str__(self):
        options = str(self.options or "")[:50]
        return f"{self.method} {self.target[:70]} {options} -> {self.status} {self.code or ''}".rstrip()

    def check(self, document, services):
        service = services.named(self.service)
        with service.fault(self.fault) if self.fault else contextlib.nullcontext():
            answer = service.request(self.method, self.target, **self.options)
        return self.check_answer(document, answer)

    def check_answer(self, document, answer):
        """Returns the problem type of the response, if it has one."""
        document.check_answer(self.place, self.method, self.status, answer)
        _, fields, body = answer
        if self.check_body:
            self.check_body(body)
        is_new = self.status in (408, 431) or (self.status, self.code) == (400, 400)
        require(is_new or fields["x-request-id"] == REQUEST_ID, "the request id did not come back")
        if fields.get("content-type") == PROBLEM and self.method != "HEAD":
            problem = json.loads(body)
            require((problem["status"], problem["code"]) == (self.status, self.code), f"not the code: {body}")
            require(problem["instance"].endswith(":" + fields["x-request-id"]), "instance is not the request id")
            return problem["type"].rpartition("#")[2]
        return None


class EndingCase(Case):
    """A request that is not answered before the service ends."""

    def check(self, document, services):
        service = services.named(self.service)
        service.zoom("POST", "faults", {"fault": "stall", "operation": "billing"})
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(service.request, self.method, self.target, **self.options)
            while b'"seen":0' in service.zoom("GET", "faults") and not answer.done():
                time.sleep(0.01)
            service.process.send_signal(signal.SIGTERM)
            return self.check_answer(document, answer.result())


@dataclasses.dataclass
class RawCase:
    """Bytes that no client sends, and the response that the document promises."""

    place: str
    method: str
    sent: bytes
    status: int
    service: str

    def __str__(self):
        return f"{self.sent[:70]} -> {self.status}"

    def check(self, document, services):
        port = services.named(self.service).port
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            connection.sendall(self.sent)
            with connection.makefile("rb") as received:
                answer = parsed(received.read())
        document.check_answer(self.place, self.method, self.status, answer)
        return json.loads(answer[2])["type"].rpartition("#")[2]


@dataclasses.dataclass
class Read:
    """An operation that reads something of one account from Zoom, through the cache."""

    place: str
    # With the placeholder `{account}` and, for an invoice of it, `{invoice}`.
    target: str
    # The sandbox's name of the operation, for faults.
    operation: str


def reads():
    yield Read(ACCOUNT, "/v2/accounts/{account}", "account")
    yield Read(BILLING, "/v2/accounts/{account}/billing", "billing")
    yield Read(INVOICES, f"/v2/accounts/{{account}}/billing/invoices?{PERIOD}", "invoices")
    yield Read(INVOICE, "/v2/accounts/{account}/billing/invoices/{invoice}", "invoice")
    yield Read(PLANS, "/v2/accounts/{account}/plans", "plans")
    yield Read(USAGE, "/v2/accounts/{account}/plans/usage", "plan-usage")


def cases_of_read(read, service, streams):
    """The statuses that every read has, for GET and HEAD."""
    def target(account):
        ids = service.invoices(account)[1] if "{invoice}" in read.target else []
        return read.target.replace("{account}", account).replace("{invoice}", (ids or ["unknown"])[0])

    found, unknown, malformed = target(service.paid), target(UNKNOWN), target("no%20id")
    for method in ("GET", "HEAD"):
        for url, status, code, options in (
                (found, 200, None, {}),
                (found, 304, None, {"field": "if-none-match: *"}),
                (malformed, 400, 300, {}),
                (found, 401, 124, {"token": ""}),
                (found, 401, 124, {"token": "wrong"}),
                (found, 401, 124, {"token": service.token[:-1]}),
                (found, 403, 4711, {"token": service.scopeless}),
                (found, 404, 2001, {"token": service.limited}),
                (unknown, 404, 2001, {}),
                (found, 406, 406, HTML),
                (f"{found}?{'x' * 8000}", 414, 414, {}),
                (found, 429, 429, {"token": service.spent}),
                (found, 431, 431, LARGE),
                (found, 504, 504, {"field": "cache-control: only-if-cached, no-cache"})):
            yield Case(read.place, method, url, status, code, options)
        # An account of its own, since Zoom permits few calls of some operations for each account.
        unusable = {"fault": "truncation", "operation": read.operation}
        yield Case(
            read.place, method, target(streams.next_account()), 502, 502, {"field": "cache-control: no-cache"},
            fault=unusable)
        yield Case(read.place, method, found, 503, 503, service="full")


@dataclasses.dataclass
class Change:
    """An operation that changes an account."""

    place: str
    method: str
    target: str
    status: int
    body: dict
    # The sandbox's name of the read that precedes the change.
    read: str
    # Another valid body.
    other: dict


def changes(service):
    """Each change with an account whose state permits it."""
    contact = {
        "first_name": "Billing", "last_name": "Contact", "phone_number": "+1 555 0100 200",
        "email": "accounts@example.com", "address": "12 Example Street", "city": "Oakland", "country": "US",
        "state": "CA", "zip": "94607"}

    def account(id_, path=""):
        return f"/v2/accounts/{id_}{path}"

    def subscription(hosts):
        return {"contact": contact, "plan_base": {"type": "monthly", "hosts": hosts}}

    free = json.loads(service.zoom("GET", "accounts"))["free"]
    paid, webinar = account(service.paid), "webinar500_monthly"
    yield Change(BILLING, "PATCH", f"{paid}/billing", 204, {"city": "Oakland"}, "billing", {
        "city": "Berkeley"})
    yield Change(PLANS, "POST", account(free, "/plans"), 201, subscription(5), "plans", subscription(6))
    addons, base = account(free, "/plans/addons"), account(free, "/plans/base")
    # These follow each other: the plans that are bought are changed, and then cancelled.
    yield Change(f"{PLANS}/addons", "POST", addons, 201, {"type": webinar, "hosts": 2}, "plans", {
        "type": webinar, "hosts": 4})
    yield Change(f"{PLANS}/addons", "PUT", addons, 204, {"type": webinar, "hosts": 3}, "plans", {
        "type": webinar, "hosts": 4})
    yield Change(f"{PLANS}/addons/status", "PATCH", f"{addons}/status", 204, {"action": "cancel", "type": webinar},
                 "plans", {"type": webinar, "reason": 1})
    yield Change(f"{PLANS}/base", "PUT", base, 204, {"type": "monthly", "hosts": 7}, "plans", {
        "type": "monthly", "hosts": 8})
    yield Change(f"{PLANS}/base/status", "PATCH", f"{base}/status", 204, {"action": "cancel"}, "plans", {
        "reason": 1})


class RunningCase(Case):
    """A request while a change runs, which waits for a read of the account."""

    # The change: arguments of `Service.request`, with method and target.
    running: tuple = ()

    def check(self, document, services):
        service = services.named(self.service)
        method, target, options = self.running or (self.method, self.target, self.options)
        service.zoom("POST", "faults", self.fault)
        try:
            with concurrent.futures.ThreadPoolExecutor() as pool:
                first = pool.submit(service.request, method, target, **options)
                while b'"seen":0' in service.zoom("GET", "faults") and not first.done():
                    time.sleep(0.01)
                answer = service.request(self.method, self.target, **self.options)
                first.result()
        finally:
            service.zoom("DELETE", "faults")
        return self.check_answer(document, answer)


def cases_of_changes(service):
    json_body, number = "content-type: application/json", iter(range(1_000_000))

    def fields(*others):
        return [json_body, f"idempotency-key: \"check-{next(number)}\"", *others]

    def options(change, *others, body=None, **more):
        return {"field": fields(*others), "body": json.dumps(body or change.body), **more}

    for change in changes(service):
        def case(status, code, options, change=change, query="", target=None, **others):
            return Case(change.place, change.method, (target or change.target) + query, status, code, options, **others)

        unknown = change.target.replace(change.target.split("/")[3], UNKNOWN)
        malformed = change.target.replace(change.target.split("/")[3], "no%20id")
        yield case(200, None, options(change, "prefer: handling=strict"), query="?dry_run=true")
        yield case(412, 412, options(change, 'if-match: "other"'))
        stall = {"fault": "stall", "operation": change.read}
        yield RunningCase(
            change.place, change.method, change.target, 409, 409, options(change, "if-match: *"), fault=stall,
            service="waiting")
        unusable = {"fault": "truncation", "operation": change.read}
        yield case(502, 502, options(change, "if-match: *"), fault=unusable)
        yield case(504, 504, options(change, "if-match: *"), fault=stall, service="impatient")
        made = options(change)
        for _ in range(2):
            yield case(change.status, None, made)
        yield case(422, 422, {**made, "body": json.dumps(change.other)})
        yield case(400, 300, {"field": json_body, "body": json.dumps(change.body)})
        yield case(400, 300, options(change, "if-none-match: *"))
        yield case(400, 300, options(change), target=malformed)
        yield case(400, 300, {"field": fields("prefer: handling=strict"), "body": "[]"})
        yield case(400, 300, options(change, body={"colour": "red"}))
        yield case(400, 300, options(change, "authorization: Bearer", token=""))
        yield case(401, 124, options(change, token="wrong"))
        yield case(403, 4711, options(change, token=service.scopeless))
        yield case(404, 2001, options(change, token=service.limited))
        yield case(404, 2001, options(change), target=unknown)
        yield case(406, 406, options(change, "accept: text/html"))
        yield case(414, 414, options(change), query=f"?{'x' * 8000}")
        yield case(415, 415, {"field": "content-type: text/plain", "body": json.dumps(change.body)})
        yield case(429, 429, options(change, token=service.spent))
        yield case(431, 431, options(change, LARGE["field"]))
        yield case(503, 503, options(change), service="full")
        if change.place == PLANS:
            # The account has a base plan now.
            yield case(400, 2100, options(change))
    billing = f"/v2/accounts/{service.paid}/billing"
    body = {"field": fields(), "body": '{"city":"Oakland"}'}
    busy = RunningCase(
        BILLING, "PATCH", billing, 409, 409, {**body, "field": fields("prefer: wait=0")},
        fault={"fault": "stall", "operation": "billing"}, service="waiting")
    busy.running = ("PATCH", billing, {**body, "field": fields("if-match: *")})
    yield busy
    unanswered = {"fault": "stall", "operation": "update-billing"}
    yield Case(BILLING, "PATCH", billing, 504, 504, body, fault=unanswered, service="impatient")
    yield Case(BILLING, "PATCH", billing, 428, 428, body, service="careful")
    yield Case(BILLING, "PATCH", billing, 503, 503, body, service="forgetful")
    yield Case("BodyTooLarge", "PATCH", billing, 413, 413, {**body, "body": "x" * 70_000})


def cases_of_keys(service):
    json_body = "content-type: application/json"
    used = {"field": [json_body, "idempotency-key: check-keys"], "body": '{"city":"Oakland"}'}
    yield Case(BILLING, "PATCH", f"/v2/accounts/{service.paid}/billing", 204, None, used)
    one, absent = (KEY.replace("{key}", key) for key in ("check-keys", "check-absent"))
    for method in ("GET", "HEAD", "DELETE"):
        for url, status, code, options in (
                (one, 204 if method == "DELETE" else 200, None, {}),
                (absent, 404, 404, {}),
                (KEY.replace("{key}", "no%20key"), 400, 300, {}),
                (f"{one}?x=1", 400, 300, {}),
                (one, 401, 124, {"token": "wrong"}),
                (one, 403, 4711, {"token": service.scopeless}),
                (one, 406, 406, HTML),
                (f"{one}?{'x' * 8000}", 414, 414, {}),
                (one, 429, 429, {"token": service.spent}),
                (one, 431, 431, LARGE)):
            yield Case(KEY, method, url, status, code, options)
        yield Case(KEY, method, one, 503, 503, service="full")
    running = RunningCase(
        KEY, "DELETE", one, 409, 409, fault={"fault": "stall", "operation": "billing"}, service="waiting")
    fields = {**used, "field": [*used["field"], "if-match: *"]}
    running.running = ("PATCH", f"/v2/accounts/{service.paid}/billing", fields)
    yield running


def cases_of_account_list(service):
    url = ACCOUNTS_LIST
    new = {"field": "cache-control: no-cache"}
    for method in ("GET", "HEAD"):
        for query, status, code, options in (
                ("", 200, None, {}),
                ("?page_size=2&next_page_token=", 200, None, new),
                ("?page_size=301&page_number=2", 200, None, {}),
                ("", 200, None, {"token": service.limited}),
                ("", 304, None, {"field": "if-none-match: *"}),
                ("?next_page_token=none", 400, 300, {}),
                ("?page_size=0", 400, 300, {}),
                ("", 401, 124, {"token": ""}),
                ("", 403, 4711, {"token": service.scopeless}),
                ("", 406, 406, HTML),
                (f"?{'x' * 8000}", 414, 414, {}),
                ("", 429, 429, {"token": service.spent}),
                ("", 431, 431, LARGE),
                ("", 504, 504, {"field": "cache-control: only-if-cached, no-cache"})):
            yield Case(ACCOUNTS_LIST, method, url + query, status, code, options)
        unusable = {"fault": "truncation", "operation": "accounts"}
        yield Case(ACCOUNTS_LIST, method, url, 502, 502, new, fault=unusable)
        yield Case(ACCOUNTS_LIST, method, url, 503, 503, service="full")


def cases_of_plans(service):
    for place, url in ((PLANS, f"/v2/accounts/{service.self_pay}/plans"),
                       (USAGE, f"/v2/accounts/{service.self_pay}/plans/usage")):
        yield Case(place, "GET", url, 400, 2100)
    free = json.loads(service.zoom("GET", "accounts"))["free"]
    yield Case(USAGE, "GET", f"/v2/accounts/{free}/plans/usage", 400, 200)
    # Larger than the limit of an answer.
    huge = {"fault": "huge", "operation": "plans"}
    new = {"field": "cache-control: no-cache"}
    yield Case(PLANS, "GET", f"/v2/accounts/{service.paid}/plans", 502, 502, new, fault=huge)


def cases_of_billing(service):
    one = f"/v2/accounts/{service.paid}/billing"
    unknown = f"/v2/accounts/{UNKNOWN}/billing"
    yield Case(BILLING, "GET", f"/v2/accounts/{service.self_pay}/billing", 400, 2100)
    yield Case(BILLING, "GET", one, 400, 300, {"token": "", "field": "authorization: Bearer"})
    yield Case(BILLING, "GET", one, 200, None, {"token": "", "field": f"authorization: bEaReR   {service.token}"})
    yield Case(BILLING, "GET", one, 200, None, {"field": "range: bytes=0-3"})
    yield Case(BILLING, "GET", one, 200, None, {"field": "cache-control: no-store"})
    yield Case(BILLING, "GET", one, 304, None, {"field": "if-modified-since: Fri, 31 Dec 9999 23:59:59 GMT"})
    yield Case(BILLING, "GET", unknown, 404, 2001, {"field": "if-none-match: *"})
    # Clients that follow the document percent-encode these two characters of an id.
    yield Case(BILLING, "GET", "/v2/accounts/a%3Db%2b/billing", 404, 2001)
    yield Case(BILLING, "GET", "/v2/accounts/%61/billing", 400, 300)
    yield Case(BILLING, "GET", one, 429, 429, {"token": "wrong"}, service="guessed")
    yield Case(BILLING, "GET", one, 502, 4700, service="refused", fault={"fault": "token-revoked"})
    for service_name, fault in (("limited", "429-seconds"), ("limited for the day", "429-day")):
        yield Case(
            BILLING, "GET", one, 429, 429, {"field": "prefer: wait=0"}, service=service_name,
            fault={"fault": fault, "operation": "billing", "retry_after_seconds": 600})
    yield Case(BILLING, "GET", one, 503, 503, service="broken")
    yield Case(BILLING, "GET", one, 504, 504, service="impatient", fault={"fault": "stall"})
    yield EndingCase(BILLING, "GET", one, 503, 503, service="ending")


def cases_of_invoices(service, streams):
    one = f"/v2/accounts/{service.paid}/billing/invoices"
    listed = f"{one}?{PERIOD}"
    invoice = f"{one}/{service.invoices(service.paid)[1][0]}"
    refused = (account for account in streams.ids if service.invoices(account)[0] == 400)
    free = next(account for account in refused if account != service.self_pay)
    yield Case(INVOICES, "GET", one, 400, 300)
    yield Case(INVOICES, "GET", f"{one}?from=2026-02-30&to=soon", 400, 300)
    yield Case(INVOICES, "GET", f"/v2/accounts/{service.self_pay}/billing/invoices?{PERIOD}", 400, 2100)
    yield Case(INVOICES, "GET", f"/v2/accounts/{free}/billing/invoices?{PERIOD}", 400, 200)
    # A part of the period, and a parameter of another operation.
    yield Case(INVOICES, "GET", f"{one}?from={TODAY}&to={TODAY}&page_size=30", 200, None, {
        "field": "cache-control: only-if-cached"})
    # Zoom was called for these a moment ago.
    for place, url in ((INVOICES, listed), (INVOICE, invoice)):
        yield Case(place, "GET", url, 429, 429, {"field": "cache-control: no-cache"})
        yield Case(place, "GET", url, 429, 429, {"token": "wrong"}, service="guessed")
    yield Case(INVOICE, "GET", f"{one}/unknown", 404, 404)
    yield Case(INVOICE, "GET", f"{one}/a%20b", 400, 300)


def cases_of_files(service, streams):
    """Both paths of invoice files. Every file is of an invoice of its own, since Zoom permits few downloads of one."""
    for number, place in enumerate(FILES):
        known = service.invoices(streams.next_account())[1]

        def target(invoice, place=place):
            return place.replace("{invoiceId}", invoice)

        yield Case(place, "GET", target(known.pop()), 200)
        yield Case(place, "HEAD", target(known[0]), 200)
        yield Case(place, "GET", target(f"a%3Db%2b{number}"), 404, 404)
        yield Case(place, "GET", target(f"2c92unknown{number}"), 404, 404)
        yield Case(
            place, "GET", target(known.pop()), 400, 2100,
            fault={"fault": "status", "status": 400, "code": 2100, "operation": "invoice-file",
                   "message": "This sub account is on self pay mode."})
        yield Case(
            place, "GET", target(known.pop()), 502, 502,
            fault={"fault": "html", "status": 200, "operation": "invoice-file"})
        yield Case(
            place, "GET", target(known.pop()), 502, 502,
            fault={"fault": "redirect", "status": 302, "operation": "invoice-file"})
        yield Case(place, "GET", target("2c92a"), 503, 503, service="full")
        for method in ("GET", "HEAD"):
            for url, status, code, options in (
                    (target("no%20id"), 400, 300, {}),
                    (target("2c92a"), 401, 124, {"token": "wrong"}),
                    (target("2c92a"), 403, 4711, {"token": service.scopeless}),
                    (target(known[0]), 404, 404, {"token": service.limited}),
                    (target(known[0]), 406, 406, HTML),
                    (f"{target(known[0])}?{'x' * 8000}", 414, 414, {}),
                    (target(known[0]), 429, 429, {"token": service.spent}),
                    (target(known[0]), 431, 431, LARGE),
                    (target(known[0]), 504, 504, {"field": "cache-control: only-if-cached"})):
                yield Case(place, method, url, status, code, options)


def cases_of_stream(service, streams):
    yield Case(STREAM, "GET", STREAM, 200, None, JSONL, streams.whole)
    yield Case(STREAM, "GET", f"{STREAM}?only=records", 200, None, {}, streams.records)
    yield Case(STREAM, "GET", f"{STREAM}?changed_since={streams.moment}", 200, None, {}, streams.changes)
    for method in ("GET", "HEAD"):
        yield Case(STREAM, method, f"{STREAM}?changed_since=2020-01-01T00:00:00Z", 410, 410)
    after = "".join(streams.ids[100:101])
    yield Case(STREAM, "GET", f"{STREAM}?after={after}", 200, None, {}, streams.rest)
    yield Case(STREAM, "GET", f"{STREAM}?limit=3&fields=country,zip", 200, None, {}, streams.limit)
    yield Case(STREAM, "GET", f"{STREAM}?order=arrival&max_age=0", 200, None, {}, streams.arrival)
    yield Case(STREAM, "GET", STREAM, 200, None, {"token": service.limited}, streams.limited)
    kinds = ("contact", "plans", "usage")
    yield Case(STREAM, "GET", f"{STREAM}?include={','.join(kinds)}", 200, None, {}, streams.kinds(*kinds))
    today = datetime.date.today()
    days = f"from={today - datetime.timedelta(days=200)}&to={today}"
    invoices = streams.kinds("invoices")
    yield Case(STREAM, "GET", f"{STREAM}?include=invoices&{days}&limit=20", 200, None, {}, invoices)
    for query in ("include=plans", "include=usage", f"include=invoices&{days}"):
        yield Case(STREAM, "GET", f"{STREAM}?{query}", 403, 4711, {"token": service.exporter})
    yield Case(STREAM, "HEAD", STREAM, 200)
    for query in (
            "include=", "include=contact,", "include=invoices", f"include=plans&{days}", "include=plans&fields=zip",
            f"include=invoices&{days}&include=plans",
            "after=no%20id", "only=lines", "before=x", "fields=", "changed_since=now",
            f"order=arrival&changed_since={streams.moment}", f"order=arrival&after={after}"):
        yield Case(STREAM, "GET", f"{STREAM}?{query}", 400, 300)
    yield Case(STREAM, "GET", STREAM, 400, 300, {"token": "", "field": "authorization: Bearer a b"})
    yield Case(STREAM, "HEAD", f"{STREAM}?before=x", 400, 300)
    chosen = "".join(f'{{"account_id":"{account}"}}\n' for account in reversed(streams.ids[:3])) + "{}\n"
    lines = {"field": "content-type: application/x-ndjson", "body": chosen}
    yield Case(STREAM, "POST", STREAM, 200, None, lines, streams.chosen)
    yield Case(STREAM, "POST", STREAM, 200, None, {}, streams.none)
    yield Case(STREAM, "POST", f"{STREAM}?limit=3", 400, 300, lines)
    yield Case(STREAM, "POST", STREAM, 415, 415, {"field": "content-type: text/csv", "body": chosen})
    for method, body in (("GET", {}), ("HEAD", {}), ("POST", lines)):
        def options(body=body, field=None, **others):
            return {**body, **others, "field": [each for each in (body.get("field"), field) if each]}
        yield Case(STREAM, method, STREAM, 401, 124, options(token=""))
        yield Case(STREAM, method, STREAM, 401, 124, options(token="wrong"))
        yield Case(STREAM, method, STREAM, 403, 4711, options(token=service.scopeless))
        yield Case(STREAM, method, STREAM, 406, 406, options(**HTML))
        yield Case(STREAM, method, f"{STREAM}?after={'x' * 8000}", 414, 414, body)
        yield Case(STREAM, method, STREAM, 429, 429, options(token=service.spent))
        yield Case(STREAM, method, STREAM, 429, 429, options(token="wrong"), service="guessed")
        yield Case(STREAM, method, STREAM, 431, 431, options(**LARGE))
        if method != "HEAD":
            yield Case(STREAM, method, STREAM, 503, 503, options(), service="full")
        yield Case(STREAM, method, STREAM, 504, 504, options(field="cache-control: only-if-cached"))


def cases_of_operators():
    probe = {"operations": True}
    yield Case("/livez", "GET", "/livez", 200, None, probe)
    yield Case("/readyz", "GET", "/readyz", 200, None, probe)
    yield Case("/readyz", "GET", "/readyz?verbose", 200, None, {**probe, "version": "--http1.1"})
    yield Case("/livez", "GET", "/livez", 503, None, probe, service="stuck")
    yield Case("/readyz", "GET", "/readyz?verbose", 503, None, probe, service="stuck")
    yield Case("/metrics", "GET", "/metrics", 200, None, probe)
    yield Case("/metrics", "GET", "/metrics", 200, None, {**probe, "field": "accept: application/openmetrics-text"})
    yield Case("/metrics", "GET", "/metrics", 406, 406, {**probe, **HTML})
    yield Case("MethodNotAllowed", "POST", "/livez", 405, 405, probe)
    for path in ("/", "/status"):
        yield Case(path, "GET", path, 200, None, {**probe, "token": ""})
        yield Case(path, "GET", path, 200, None, {**probe, "token": "token of the operators"}, service="protected")
        yield Case(path, "GET", path, 401, 124, {**probe, "token": ""}, service="protected")
        yield Case(path, "GET", path, 429, 429, {**probe, "token": "wrong"}, service="besieged")


def cases_of_documents():
    """The documents of both listeners. They need no token."""
    def is_contract(body):
        require(json.loads(body) == json.loads(json.dumps(contract.Contract().document)), "not the contract")

    def has_sections(body):
        for name in contract.Contract().problems():
            require(f'<section id="{name}"' in body, f"no section {name}")

    probe = {"operations": True}
    checks = {"/v2/errors": has_sections, "/v2/openapi.json": is_contract, "/openapi.json": is_contract}
    for path in ("/v2/errors", "/v2/openapi.json", "/v2/openapi.yaml"):
        yield Case(path, "GET", path, 200, None, {"token": ""}, checks.get(path))
        # A response that is there needs no place among the requests in flight.
        yield Case(path, "GET", path, 200, service="full")
        for method in ("GET", "HEAD"):
            yield Case(path, method, path, 200, None, {"token": ""})
            yield Case(path, method, path, 304, None, {"field": "if-none-match: *"})
            yield Case(path, method, f"{path}?{'x' * 8000}", 414, 414)
            yield Case(path, method, path, 431, 431, LARGE)
    yield Case("MethodNotAllowed", "POST", "/v2/errors", 405, 405)
    for path in ("/api", "/api/redoc.js", "/openapi.json", "/openapi.yaml"):
        compressed = {"compressed": True} if path.endswith(".js") else {}
        yield Case(path, "GET", path, 200, None, {**probe, **compressed}, checks.get(path))
        yield Case(path, "GET", path, 304, None, {**probe, "field": "if-none-match: *"})
    yield Case("/v2/errors", "GET", "/v2/errors", 200, None, probe, has_sections)


def repeated(name):
    """A check that the problem names the repeated field."""
    def check(body):
        require(json.loads(body)["errors"] == [{"field": name, "message": "Given twice."}], f"not {name}: {body}")
    return check


def cases_outside_operations(service, streams):
    one = f"/v2/accounts/{service.paid}/billing"
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"):
        for version in ("--http2-prior-knowledge", "--http1.1"):
            yield Case("MethodNotAllowed", method, one, 405, 405, {"version": version})
    yield Case("StreamMethodNotAllowed", "PUT", STREAM, 405, 405)
    yield Case("UnknownMethod", "BREW", STREAM, 501, 501)
    yield Case("UnknownPath", "GET", "/nothing/here", 404, 404)
    yield Case("UnknownPath", "GET", "/readyz", 404, 404)
    yield Case("EncodedBody", "GET", one, 415, 415, {"field": "content-encoding: gzip"})
    yield Case("BodyTooLarge", "GET", one, 413, 413, {"field": "cache-control: no-cache", "body": "x" * 70_000})
    yield Case("ServiceOptions", "OPTIONS", "*", 204)
    yield Case("ServiceOptions", "OPTIONS", "*", 204, None, {"version": "--http1.1"})
    yield Case("UnknownExpectation", "GET", one, 417, 417, {"field": "expect: a miracle"})
    yield Case("UpgradeRequired", "GET", STREAM, 426, 426, {"version": "--http1.0"})
    yield Case("UpgradeRequired", "HEAD", STREAM, 426, 426, {"version": "--http1.0"})
    for version in ("--http2-prior-knowledge", "--http1.1"):
        for twice in ("authorization: Bearer other", "user-agent: one", "traceparent: 00-1-1-01"):
            name = twice.partition(":")[0]
            fields = [twice] if name == "authorization" else [twice, twice]
            # The token is one of the two Authorization fields.
            yield Case(
                "RepeatedField", "GET", one, 400, 300, {"version": version, "field": fields}, repeated(name))
    yield Case("MalformedRequest", "GET", one, 400, 400, {"version": "--http1.1", "field": "host: a b"})
    yield RawCase("RequestTimedOut", "GET", b"GET / HTTP/1.1\r\n", 408, "hasty")
    yield Case("AnswerTimedOut", "GET", one, 504, 504, service="hasty", fault={"fault": "stall"})


def cases(service, streams):
    # The other cases use its account ids.
    yield Case(STREAM, "GET", STREAM, 200, None, {}, streams.whole)
    # The rate of this caller permits one request.
    yield Case(STREAM, "HEAD", STREAM, 200, None, {"token": service.spent})
    yield from cases_of_documents()
    for read in reads():
        yield from cases_of_read(read, service, streams)
    yield from cases_of_account_list(service)
    yield from cases_of_billing(service)
    yield from cases_of_invoices(service, streams)
    yield from cases_of_plans(service)
    yield from cases_of_files(service, streams)
    yield from cases_of_changes(service)
    yield from cases_of_keys(service)
    yield from cases_of_stream(service, streams)
    yield from cases_outside_operations(service, streams)
    yield from cases_of_operators()


def parsed(output):
    """Status, header fields and body of a response in HTTP/1.1's form."""
    head, _, body = output.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    fields = [line.partition(": ")[::2] for line in rest]
    names = [name for name, _ in fields]
    require(len(set(names)) == len(names), f"a field came twice: {names}")
    # A file is compared with its schema as text, one character for each byte.
    is_file = dict(fields).get("content-type") == "application/pdf"
    return int(first.split()[1]), dict(fields), body.decode("latin-1" if is_file else "utf-8")


def main(binary):
    results = contract.Results("openapi")
    document = contract.Contract()
    results.run("the document", lambda: openapi_spec_validator.validate(document.document))
    for name, check in document.examples():
        results.run(name, check)
    services = Services(binary)
    shown = set()
    try:
        for case in cases(services.ordinary, Streams()):
            problem = results.run(case, lambda case=case: case.check(document, services))
            shown |= {(case.place, case.method, case.status), case.place, problem}
    finally:
        results.run("SIGTERM -> exit code 0", services.stop)
    problems = set(document.problems()) - set(NOT_SHOWN)
    for place in [*document.documented(), *document.outside_operations(), *sorted(problems)]:
        name = place if isinstance(place, str) else f"{place[1]} {place[0]} -> {place[2]}"
        if place not in shown:
            results.run(name, lambda: require(False, "it is documented, and no case shows it"))
    return results.exit_code()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
