"""Hooks of schemathesis, which `fuzz-openapi.py` names to it."""
import datetime
import json
import uuid

import contract
import schemathesis

DOCUMENT = contract.Contract()
STREAM = "/v2/billing/stream"
KEY = "idempotency-key"
CHANGES = ("PATCH", "PUT", "POST")


@schemathesis.deserializer(*contract.LINES)
def read_lines(_context, response):
    """The text of a stream. Raises an error if a line violates its schema."""
    text = response.content.decode()
    DOCUMENT.validate_lines(text)
    return text


@schemathesis.deserializer("application/pdf")
def read_file(_context, response):
    """A file is compared with its schema as text, one character for each byte."""
    return response.content.decode("latin-1")


@schemathesis.serializer(*contract.LINES)
def write_lines(_context, body):
    return {"data": body if isinstance(body, (bytes, str)) else json.dumps(body)}


@schemathesis.hook
def map_case(_context, case):
    """Give a valid stream of invoices a period, and no other stream: OpenAPI 3.1 cannot say what a parameter needs."""
    query = case.query
    if case.path != STREAM or not query or case.meta.generation.mode.is_negative:
        return case
    kinds = query.get("include", "contact").split(",")
    for name in ("from", "to"):
        query.pop(name, None)
    if "invoices" in kinds:
        today = datetime.date.today()
        query |= {"from": str(today - datetime.timedelta(days=30)), "to": str(today)}
    if "contact" not in kinds:
        query.pop("fields", None)
    return case


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Send each valid change with a new key and no precondition. OpenAPI cannot express which values are valid."""
    if case.method not in CHANGES or case.path == STREAM or case.meta.generation.mode.is_negative:
        return
    headers = case.headers or {}
    for name in [name for name in headers if name.lower() in (KEY, "if-match", "if-unmodified-since")]:
        del headers[name]
    headers[KEY] = f"fuzz-{uuid.uuid4()}"
    case.headers = headers


@schemathesis.hook
def filter_case(_context, case):
    """OpenAPI 3.1 cannot say that two parameters exclude each other."""
    names = set(case.query or {})
    return "order" not in names or not names & {"after", "changed_since"}


@schemathesis.hook
def filter_failure(_context, failure, case, response):
    """Ignore failures that follow from what OpenAPI cannot say."""
    match type(failure).__name__:
        case "AcceptedNegativeData":
            # An invalid line of a body has a `failure` line in the stream.
            is_stream = response.status_code == 200 and response.headers.get("content-type", [""])[0] in contract.LINES
            # A dry run ignores its key.
            is_dry_run = "dry_run" in (case.query or {}) and response.status_code == 200
            return not (is_stream and case.method == "POST") and not is_dry_run
        case "RejectedPositiveData":
            # Only a token that the service has made is valid, and only a period in the last three years. The rules of
            # changes depend on the present plans, and on lists of countries and plan codes. The service knows the
            # changes since it has started only.
            is_change = case.method in CHANGES and case.path != STREAM
            is_unknown_moment = response.status_code == 410 and "changed_since" in (case.query or {})
            return not (is_change or is_unknown_moment or {"next_page_token", "from", "to"} & set(case.query or {}))
        case "JsonSchemaError":
            # schemathesis reads YAML before it compares it, and the schema of the contract as YAML is that of its text.
            # `check-openapi.py` compares the content.
            return response.headers.get("content-type", [""])[0] != "application/yaml"
        case _:
            return True
