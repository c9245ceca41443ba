#!/usr/bin/env python3
"""Holds the service to openapi.yaml: validates the document, then checks real answers against it.

    scripts/check-openapi.py .build/debug/billing-service
"""

import json
import pathlib
import re
import signal
import subprocess
import sys

import jsonschema
import openapi_spec_validator
import referencing
import referencing.jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "openapi.yaml"
BASE = "urn:openapi"
BILLING = "/v2/accounts/{accountId}/billing"
STREAM = "/v2/billing/stream"
LINES = ("application/x-ndjson", "application/jsonl")


class Contract:
    def __init__(self, document):
        self.document = document
        resource = referencing.Resource(document, referencing.jsonschema.DRAFT202012)
        self.registry = referencing.Registry().with_resource(BASE, resource)

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/")]
            node = target
        return node

    def validate(self, instance, schema):
        """Raises jsonschema.ValidationError."""
        absolute = json.loads(json.dumps(schema).replace('"#/', f'"{BASE}#/'))
        validator = jsonschema.Draft202012Validator(
            absolute, registry=self.registry, format_checker=jsonschema.FormatChecker())
        validator.validate(instance)

    def validate_lines(self, text):
        for line in text.splitlines():
            self.validate(json.loads(line), {"$ref": "#/components/schemas/StreamLine"})


def examples(contract):
    """Every example in the document, with what it has to be valid against."""
    for path, item in contract.document["paths"].items():
        for status, response in item["get"]["responses"].items():
            for kind, media in contract.resolve(response).get("content", {}).items():
                values = [example["value"] for example in media.get("examples", {}).values()]
                values += [media["example"]] if "example" in media else []
                for value in values:
                    yield f"example of {path} {status} {kind}", value, media["schema"], kind not in LINES


class Service:
    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary, "serve", "--sandbox", "--http-port", "0", "--sandbox-accounts", "250"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.text = ""
        for line in self.process.stdout:
            self.text += line
            if line.startswith("curl") and STREAM in line:
                break
        self.base = re.search(r"http://[\d.:]+", self.text).group(0)
        self.token = re.search(r"Bearer ([^']+)'", self.text).group(1)
        self.paid, self.self_pay = re.findall(r"/v2/accounts/([^/]+)/billing", self.text)

    def request(self, method, target, token=True, accept=None):
        command = ["curl", "--silent", "--show-error", "--max-time", "30", "--http2-prior-knowledge"]
        command += ["--head"] if method == "HEAD" else ["--dump-header", "-", "--request", method]
        if token:
            command += ["-H", f"authorization: Bearer {self.token if token is True else token}"]
        if accept:
            command += ["-H", f"accept: {accept}"]
        output = subprocess.run(command + [self.base + target], capture_output=True, check=True).stdout.decode()
        head, _, body = output.replace("\r\n", "\n").partition("\n\n")
        lines = head.split("\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split()[1]), headers, body

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def check_answer(contract, path, method, expected, answer):
    status, headers, body = answer
    assert status == expected, f"status {status} instead of {expected}"
    assert headers.get("x-content-type-options") == "nosniff", "without nosniff"
    responses = contract.document["paths"][path][method.lower()]["responses"] if path else {}
    kind = headers["content-type"]
    if str(status) in responses:
        response = contract.resolve(responses[str(status)])
        assert kind in response["content"], f"content type {kind} is not described"
        for name, header in response.get("headers", {}).items():
            header = contract.resolve(header)
            if header.get("required"):
                assert name in headers, f"header {name} is missing"
                schema = header["schema"]
                value = int(headers[name]) if schema.get("type") == "integer" else headers[name]
                contract.validate(value, schema)
    else:
        assert path is None, f"status {status} is not described"
        assert kind == "application/problem+json", f"content type {kind}"
    if method == "HEAD":
        assert not body, "a body for HEAD"
    elif kind in LINES:
        contract.validate_lines(body)
    elif kind == "application/problem+json":
        contract.validate(json.loads(body), {"$ref": "#/components/schemas/Problem"})
    else:
        contract.validate(json.loads(body), responses[str(status)]["content"][kind]["schema"])


def cases(service):
    """Path of the document (None for what it only tells of in words), method, target, status, options."""
    unknown = "Zm9vYmFyZm9vYmFyZm9vYg"
    one = "/v2/accounts/{}/billing".format
    whole = service.request("GET", STREAM)[2].splitlines()
    middle = json.loads(whole[100])["account_id"]
    return [
        (BILLING, "GET", one(service.paid), 200, {}),
        (BILLING, "GET", one(service.self_pay), 400, {}),
        (BILLING, "GET", one(unknown), 404, {}),
        (BILLING, "GET", one("no%20id"), 400, {}),
        (BILLING, "GET", one(service.paid), 401, {"token": None}),
        (BILLING, "GET", one(service.paid), 401, {"token": "wrong"}),
        (BILLING, "GET", one(service.paid), 406, {"accept": "text/html"}),
        (BILLING, "HEAD", one(service.paid), 200, {}),
        (BILLING, "HEAD", one(unknown), 404, {}),
        (STREAM, "GET", STREAM, 200, {}),
        (STREAM, "GET", STREAM, 200, {"accept": "application/jsonl"}),
        (STREAM, "GET", f"{STREAM}?only=records", 200, {}),
        (STREAM, "GET", f"{STREAM}?after={middle}", 200, {}),
        (STREAM, "GET", f"{STREAM}?after=%20", 400, {}),
        (STREAM, "GET", f"{STREAM}?before=x", 400, {}),
        (STREAM, "GET", f"{STREAM}?after={'x' * 8000}", 414, {}),
        (STREAM, "GET", STREAM, 401, {"token": None}),
        (STREAM, "GET", STREAM, 406, {"accept": "text/csv"}),
        (STREAM, "HEAD", STREAM, 200, {}),
        (None, "POST", STREAM, 405, {}),
        (None, "BREW", STREAM, 501, {}),
        (None, "GET", "/nothing/here", 404, {}),
    ]


def main():
    document = yaml.safe_load(DOCUMENT.read_text())
    openapi_spec_validator.validate(document)
    contract = Contract(document)
    passed = failed = 0

    def run(name, check):
        nonlocal passed, failed
        try:
            check()
            passed += 1
            print(f"ok      {name}")
        except (AssertionError, KeyError, ValueError, jsonschema.ValidationError) as error:
            failed += 1
            print(f"FAILED  {name}: {str(error).splitlines()[0]}")

    for name, value, schema, is_json in examples(contract):
        run(name, lambda: contract.validate(value, schema) if is_json else contract.validate_lines(value))
    service = Service(sys.argv[1])
    try:
        for path, method, target, status, options in cases(service):
            run(f"{method} {target[:60]} {options or ''} -> {status}",
                lambda: check_answer(contract, path, method, status, service.request(method, target, **options)))
    finally:
        code = service.stop()
    run("stops with status 0", lambda: contract.validate(code, {"const": 0}))
    print(f"openapi: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
