#!/usr/bin/env python3
"""Check openapi.yaml and the service against each other: the document, its examples, and real responses.

    scripts/check-openapi.py .build/debug/billing-service
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import openapi_spec_validator
import programs
import referencing
import referencing.exceptions
import referencing.jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "openapi.yaml"
BASE = "urn:openapi"
BILLING = "/v2/accounts/{accountId}/billing"
STREAM = "/v2/billing/stream"
LINES = ("application/x-ndjson", "application/jsonl")
PROBLEM = "application/problem+json"
LINE = "/components/schemas/StreamLine"
REQUEST_ID = "check-openapi"
TIMEOUT = 300
ACCOUNTS = 250
FAILURES = (
    AssertionError, KeyError, ValueError, jsonschema.ValidationError, referencing.exceptions.Unresolvable,
    subprocess.SubprocessError)


class Contract:
    """The document. Places in it are named by JSON pointers."""

    def __init__(self, path):
        self.document = yaml.safe_load(path.read_text(encoding="utf-8"))
        resource = referencing.Resource(self.document, referencing.jsonschema.DRAFT202012)
        self.registry = referencing.Registry().with_resource(BASE, resource)

    def follow(self, pointer):
        """The value at a pointer and its own pointer. References are followed."""
        node = self.document
        for escaped_part in pointer.split("/")[1:]:
            part = escaped_part.replace("~1", "/").replace("~0", "~")
            require(part in node, f"{pointer} is not described")
            node = node[part]
        if isinstance(node, dict) and "$ref" in node:
            return self.follow(node["$ref"].removeprefix("#"))
        return node, pointer

    def validate(self, instance, pointer):
        """Raises jsonschema.ValidationError unless `instance` is valid by the schema at `pointer`."""
        jsonschema.Draft202012Validator(
            {"$ref": f"{BASE}#{pointer}"}, registry=self.registry, format_checker=jsonschema.FormatChecker()
        ).validate(instance)

    def validate_body(self, body, kind, pointer):
        """`pointer` is that of a media type."""
        if kind in LINES:
            require(not body or body.endswith("\n"), "the last line is not ended")
            require(body.splitlines() == body.split("\n")[:-1], "a line end is inside a line")
            for line in body.split("\n")[:-1]:
                self.validate(json.loads(line), LINE)
        else:
            self.validate(json.loads(body) if isinstance(body, str) else body, pointer + "/schema")

    def examples(self):
        """Every example, as (place, check). A response without an example fails."""
        for name, response in self.document["components"]["responses"].items():
            for kind, media in response.get("content", {}).items():
                pointer = f"/components/responses/{name}/content/{escaped(kind)}"
                values = [example["value"] for example in media.get("examples", {}).values()]
                values += [media["example"]] if "example" in media else []
                if not values:
                    yield f"{name} {kind}", lambda: require(False, "there is no example")
                for value in values:
                    yield f"{name} {kind}", lambda v=value, k=kind, p=pointer: self.validate_body(v, k, p)
        for name, schema in self.document["components"]["schemas"].items():
            for value in schema.get("examples", []):
                yield name, lambda v=value, p=f"/components/schemas/{name}": self.validate(v, p)


class Service(programs.Service):
    """The service with a sandbox, and two more callers: one without the scope, one with two accounts."""

    def __init__(self, binary):
        # Deleted with the service.
        self.folder = tempfile.TemporaryDirectory()
        callers = f"{self.folder.name}/callers.json"
        self.scopeless = programs.add_caller(binary, callers, "scopeless", "--scopes", "plans:read")
        self.limited = programs.add_caller(
            binary, callers, "limited", "--scopes", "billing:read,billing:export", "--accounts", "one,two")
        super().__init__(
            "--sandbox-accounts", str(ACCOUNTS), "--callers-file", callers, "--log-level", "error", binary=binary,
            errors=None)
        self.paid, self.self_pay = self.accounts

    def request(
            self, method, target, token=None, field=None, version="--http2-prior-knowledge", operations=False,
            body=None):
        """The response as (status, header fields, body). `field` is a header field to send, or a list of them.

        Without `token` the service's own is sent, and with "" none.
        """
        command = ["curl", "--silent", "--show-error", "--max-time", str(TIMEOUT), version]
        # For HEAD, curl checks that there is no body, and prints the header fields.
        command += ["--head"] if method == "HEAD" else ["--dump-header", "-", "--request", method]
        command += ["-H", f"x-request-id: {REQUEST_ID}"]
        token = self.token if token is None else token
        command += ["-H", f"authorization: Bearer {token}"] if token else []
        for one in [field] if isinstance(field, str) else field or []:
            command += ["-H", one]
        command += ["--data-binary", body] if body is not None else []
        command += ["--request-target", target] if target == "*" else []
        url = (self.operations if operations else self.base) + ("/" if target == "*" else target)
        result = subprocess.run([*command, url], capture_output=True, timeout=TIMEOUT + 5, check=False)
        require(result.returncode == 0, result.stderr.decode().strip())
        head, _, body = result.stdout.decode().partition("\r\n\r\n")
        first, *rest = head.split("\r\n")
        fields = [line.partition(": ")[::2] for line in rest]
        names = [name for name, _ in fields]
        require(len(set(names)) == len(names), f"a field came twice: {names}")
        return int(first.split()[1]), dict(fields), body

    def check_stop(self):
        code = self.stop()
        require(code == 0, f"exit code {code}")


class Streams:
    """Checks of streams. The accounts of the whole stream are compared with those of the others."""

    def __init__(self):
        self.ids = []

    def read(self, body):
        lines = [json.loads(line) for line in body.split("\n")[:-1]]
        return [line["type"] for line in lines], [line["account_id"] for line in lines if "account_id" in line]

    def whole(self, body):
        types, self.ids = self.read(body)
        require(types[0] == "begin" and types[-1] == "end", "not from begin to end")
        require(self.ids == sorted(set(self.ids)) and len(self.ids) == ACCOUNTS, "not every account once, in order")

    def records(self, body):
        types, ids = self.read(body)
        require(set(types) <= {"contact", "failure"} and ids == self.ids, "not the records of the whole stream")

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

    def rest(self, body):
        require(self.read(body)[1] == self.ids[101:], "not the accounts after the one named")


def escaped(text):
    return text.replace("~", "~0").replace("/", "~1")


def require(condition, message):
    if not condition:
        raise AssertionError(message)


def check_answer(contract, place, method, status, code, answer):
    """`place` is a path of the document, or the name of a response outside any operation."""
    actual, fields, body = answer
    require(actual == status, f"status {actual} instead of {status}")
    is_path = place in contract.document["paths"]
    response, pointer = contract.follow(
        f"/paths/{escaped(place)}/{method.lower()}/responses/{status}" if is_path else f"/components/responses/{place}")
    kind = fields.get("content-type")
    require(kind in response.get("content", [None]), f"content type {kind} is not described")
    for name in fields:
        known = name in response["headers"] or name in ("content-type", "content-length", "connection")
        require(known, f"{name} is not described")
    for name in response["headers"]:
        header, place_of_header = contract.follow(f"{pointer}/headers/{name}")
        require(name in fields or not header.get("required"), f"header field {name} is missing")
        if name in fields:
            read = int if header["schema"].get("type") == "integer" else str
            contract.validate(read(fields[name]), f"{place_of_header}/schema")
    is_new = status in (408, 431) or (status, code) == (400, 400)
    require(is_new or fields["x-request-id"] == REQUEST_ID, "the request id did not come back")
    if method == "HEAD" or kind is None:
        require(not body, f"a body for {method}")
        return
    contract.validate_body(body, kind, f"{pointer}/content/{escaped(kind)}")
    if kind == PROBLEM:
        problem = json.loads(body)
        require((problem["status"], problem["code"]) == (status, code), f"not the code {code}: {body}")
        require(problem["instance"].endswith(":" + fields["x-request-id"]), "instance is not the request id")


def check_case(contract, service, place, method, target, status, code, options, check_body):
    answer = service.request(method, target, **options)
    check_answer(contract, place, method, status, code, answer)
    if check_body:
        check_body(answer[2])


def repeated(name):
    """A check that the problem names the repeated field."""
    def check(body):
        require(json.loads(body)["errors"] == [{"field": name, "message": "Given twice."}], f"not {name}: {body}")
    return check


def cases(service, streams):
    """Place, method, target, status, problem code, options of the request, and a check of the body."""
    one = f"/v2/accounts/{service.paid}/billing"
    unknown = "/v2/accounts/Zm9vYmFyZm9vYmFyZm9vYg/billing"
    html, jsonl = {"field": "accept: text/html"}, {"field": "accept: application/jsonl"}
    large = {"field": f"x-large: {'x' * 17_000}"}
    yield BILLING, "GET", one, 200, None, {}, None
    yield BILLING, "GET", f"/v2/accounts/{service.self_pay}/billing", 400, 2100, {}, None
    yield BILLING, "GET", unknown, 404, 2001, {}, None
    yield BILLING, "GET", "/v2/accounts/no%20id/billing", 400, 300, {}, None
    yield BILLING, "GET", one, 401, 124, {"token": ""}, None
    yield BILLING, "GET", one, 401, 124, {"token": "wrong"}, None
    yield BILLING, "GET", one, 401, 124, {"token": service.token[:-1]}, None
    yield BILLING, "GET", one, 403, 4711, {"token": service.scopeless}, None
    yield BILLING, "GET", one, 404, 2001, {"token": service.limited}, None
    yield BILLING, "GET", one, 406, 406, html, None
    yield BILLING, "GET", f"{one}?{'x' * 8000}", 414, 414, {}, None
    yield BILLING, "GET", one, 431, 431, large, None
    yield BILLING, "GET", one, 304, None, {"field": "if-none-match: *"}, None
    yield BILLING, "GET", one, 304, None, {"field": "if-modified-since: Fri, 31 Dec 9999 23:59:59 GMT"}, None
    yield BILLING, "GET", one, 504, 504, {"field": "cache-control: only-if-cached, no-cache"}, None
    yield BILLING, "GET", one, 200, None, {"field": "range: bytes=0-3"}, None
    yield BILLING, "GET", unknown, 404, 2001, {"field": "if-none-match: *"}, None
    yield BILLING, "HEAD", one, 200, None, {}, None
    yield BILLING, "HEAD", one, 431, 431, large, None
    yield BILLING, "HEAD", unknown, 404, 2001, {}, None
    yield STREAM, "GET", STREAM, 200, None, {}, streams.whole
    yield STREAM, "GET", STREAM, 200, None, jsonl, streams.whole
    yield STREAM, "GET", f"{STREAM}?only=records", 200, None, {}, streams.records
    after = "".join(streams.ids[100:101])
    yield STREAM, "GET", f"{STREAM}?after={after}", 200, None, {}, streams.rest
    yield STREAM, "GET", f"{STREAM}?after=no%20id", 400, 300, {}, None
    yield STREAM, "GET", f"{STREAM}?only=lines", 400, 300, {}, None
    yield STREAM, "GET", f"{STREAM}?before=x", 400, 300, {}, None
    yield STREAM, "GET", f"{STREAM}?after={'x' * 8000}", 414, 414, {}, None
    yield STREAM, "GET", STREAM, 401, 124, {"token": ""}, None
    yield STREAM, "GET", STREAM, 401, 124, {"token": "wrong"}, None
    yield STREAM, "GET", STREAM, 403, 4711, {"token": service.scopeless}, None
    yield STREAM, "GET", STREAM, 200, None, {"token": service.limited}, streams.limited
    yield STREAM, "GET", STREAM, 406, 406, html, None
    yield STREAM, "HEAD", STREAM, 200, None, {}, None
    yield STREAM, "HEAD", f"{STREAM}?before=x", 400, 300, {}, None
    yield "MethodNotAllowed", "POST", one, 405, 405, {}, None
    yield "StreamMethodNotAllowed", "PUT", STREAM, 405, 405, {}, None
    yield STREAM, "GET", f"{STREAM}?limit=3&fields=country,zip", 200, None, {}, streams.limit
    yield STREAM, "GET", f"{STREAM}?order=arrival&max_age=0", 200, None, {}, streams.arrival
    yield STREAM, "GET", f"{STREAM}?order=arrival&after={after}", 400, 300, {}, None
    chosen = "".join(f'{{"account_id":"{account}"}}\n' for account in reversed(streams.ids[:3])) + "{}\n"
    ndjson = {"field": "content-type: application/x-ndjson", "body": chosen}
    yield STREAM, "POST", STREAM, 200, None, ndjson, streams.chosen
    yield STREAM, "POST", f"{STREAM}?limit=3", 400, 300, ndjson, None
    yield STREAM, "POST", STREAM, 401, 124, {**ndjson, "token": "wrong"}, None
    yield STREAM, "POST", STREAM, 403, 4711, {**ndjson, "token": service.scopeless}, None
    yield STREAM, "POST", STREAM, 415, 415, {"field": "content-type: text/csv", "body": chosen}, None
    yield "UnknownMethod", "BREW", STREAM, 501, 501, {}, None
    yield "UnknownPath", "GET", "/nothing/here", 404, 404, {}, None
    yield "UnknownPath", "GET", "/readyz", 404, 404, {}, None
    yield "EncodedBody", "GET", one, 415, 415, {"field": "content-encoding: gzip"}, None
    yield "ServiceOptions", "OPTIONS", "*", 204, None, {}, None
    yield "ServiceOptions", "OPTIONS", "*", 204, None, {"version": "--http1.1"}, None
    yield "UnknownExpectation", "GET", one, 417, 417, {"field": "expect: a miracle"}, None
    yield "UpgradeRequired", "GET", STREAM, 426, 426, {"version": "--http1.0"}, None
    yield "UpgradeRequired", "HEAD", STREAM, 426, 426, {"version": "--http1.0"}, None
    for version in ("--http2-prior-knowledge", "--http1.1"):
        for twice in ("authorization: Bearer other", "user-agent: one", "traceparent: 00-1-1-01"):
            name = twice.partition(":")[0]
            fields = [twice] if name == "authorization" else [twice, twice]
            # The token is one of the two Authorization fields.
            yield "RepeatedField", "GET", one, 400, 300, {"version": version, "field": fields}, repeated(name)
    yield BILLING, "GET", one, 400, 300, {"token": "", "field": "authorization: Bearer"}, None
    yield STREAM, "GET", STREAM, 400, 300, {"token": "", "field": "authorization: Bearer a b"}, None
    yield BILLING, "GET", one, 200, None, {"token": "", "field": f"authorization: bEaReR   {service.token}"}, None
    yield BILLING, "GET", one, 200, None, {"field": "cache-control: no-store"}, None
    yield STREAM, "GET", STREAM, 504, 504, {"field": "cache-control: only-if-cached"}, None
    yield "MalformedRequest", "GET", one, 400, 400, {"version": "--http1.1", "field": "host: a b"}, None
    yield "/livez", "GET", "/livez", 200, None, {"operations": True}, None
    yield "/readyz", "GET", "/readyz", 200, None, {"operations": True}, None
    yield "/readyz", "GET", "/readyz?verbose", 200, None, {"operations": True, "version": "--http1.1"}, None


def main(binary):
    counts = {"ok": 0, "FAILED": 0}

    def run(name, check):
        try:
            check()
            verdict, reason = "ok", ""
        except FAILURES as error:
            verdict, reason = "FAILED", f": {(str(error) or type(error).__name__).splitlines()[0]}"
        counts[verdict] += 1
        print(f"{verdict:7} {name}{reason}")

    contract = Contract(DOCUMENT)
    run("the document", lambda: openapi_spec_validator.validate(contract.document))
    for name, check in contract.examples():
        run(name, check)
    service = Service(binary)
    try:
        for case in cases(service, Streams()):
            _, method, target, status, code, options, _ = case
            run(f"{method} {target[:70]} {str(options or '')[:50]} -> {status} {code or ''}".rstrip(),
                lambda case=case: check_case(contract, service, *case))
    finally:
        run("SIGTERM -> exit code 0", service.check_stop)
    print(f"openapi: {counts['ok']} passed, {counts['FAILED']} failed")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
