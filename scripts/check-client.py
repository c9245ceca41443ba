#!/usr/bin/env python3
"""Generate a client from openapi.yaml with openapi-python-client, and call every operation of the service with it.

    scripts/check-client.py .build/debug/billing-service
"""
import dataclasses
import datetime
import importlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import contract
import programs
from contract import require

# The generator knows no other media type of bytes.
SETTINGS = """
package_name_override: billing_client
content_type_overrides:
  application/x-ndjson: application/octet-stream
  application/jsonl: application/octet-stream
  application/openmetrics-text: text/plain
  application/pdf: application/octet-stream
  application/yaml: text/plain
  text/html: text/plain
  text/javascript: text/plain
post_hooks: []
"""
UNKNOWN = "Zm9vYmFyZm9vYmFyZm9vYg"
# The sandbox computes it from its seed.
CONTACT = {
    "address": "1 Example Street", "apt": "1b", "city": "Oakland", "country": "US",
    "email": "billing-0000000@example.com", "first_name": "Billing", "last_name": "Contact 0000000",
    "phone_number": "+1 555 0100 000", "state": "CA", "zip_": "94607"}


@dataclasses.dataclass
class Call:
    """A call of an operation, and the response that the client must return."""

    operation: str
    status: int = 200
    arguments: dict = dataclasses.field(default_factory=dict)
    # The class of the response body, and attributes of it. Without a class there is no body.
    model: str | None = None
    attributes: dict = dataclasses.field(default_factory=dict)
    # Checks the body if it is text or bytes.
    check: object = None
    is_probe: bool = False

    def __str__(self):
        arguments = ", ".join(f"{name}={str(value)[:40]}" for name, value in self.arguments.items())
        return f"{self.operation}({arguments}) -> {self.status} {self.model or ''}".rstrip()

    def run(self, document, client):
        tag = next(
            operation["tags"][0] for item in document.document["paths"].values() for operation in item.values()
            if isinstance(operation, dict) and operation.get("operationId") == self.operation)
        name = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), self.operation)
        module = importlib.import_module(f"billing_client.api.{tag}.{name}")
        response = module.sync_detailed(client=client, **self.arguments)
        require(response.status_code == self.status, f"status {response.status_code}")
        if self.check:
            self.check(response.content)
            return
        kind = None if response.parsed is None else type(response.parsed).__name__
        require(kind == self.model, f"{kind} instead of {self.model}")
        for attribute, value in self.attributes.items():
            actual = getattr(response.parsed, attribute)
            require(actual == value, f"{attribute} is {actual!r} instead of {value!r}")


def calls(service, file):
    problem = {"status": 404, "code": 2001, "message": f"Account does not exist: {UNKNOWN}."}
    for operation, model in (("getBilling", "BillingContact"), ("headBilling", None)):
        paid = {"account_id": service.account}
        yield Call(operation, 200, paid, model, CONTACT if model else {})
        yield Call(operation, 200, {**paid, "cache_control": "max-age=60", "prefer": "wait=5"}, model)
        yield Call(operation, 304, {**paid, "if_none_match": "*"})
        yield Call(operation, 404, {"account_id": UNKNOWN}, "Problem" if model else None, problem if model else {})
        # The client percent-encodes this id.
        yield Call(operation, 404, {"account_id": "a=b+c"}, "Problem" if model else None)
    for operation, model in (("getAccount", "SubAccountDetails"), ("getPlans", "Plans"), ("getPlanUsage", "Plans")):
        paid = {"account_id": service.account}
        yield Call(operation, 200, paid, model)
        yield Call(operation, 304, {**paid, "if_none_match": "*"})
        yield Call(operation, 404, {"account_id": UNKNOWN}, "Problem", problem)
        yield Call(operation.replace("get", "head"), 200, paid)
    yield Call("listAccounts", 200, {"page_size": 5}, "AccountPage", {"page_size": 5, "total_records": 20})
    yield Call("listAccounts", 400, {"next_page_token": "none"}, "Problem", {"code": 300})
    yield Call("headAccounts", 200)
    yield Call("streamBilling", check=lines(20))
    yield Call("streamBilling", arguments={"limit": 3, "max_age": 60, "fields": "country,zip"}, check=lines(3))
    yield Call("streamBilling", arguments={"include": "contact,plans,usage"}, check=lines(20, kinds=3))
    early = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    yield Call("streamBilling", 410, {"changed_since": early}, "Problem", {"code": 410})
    today = datetime.datetime.now(datetime.UTC).date()
    days = {"from_": today - datetime.timedelta(days=300), "to": today}
    yield Call("streamBilling", arguments={"include": "invoices", **days}, check=lines(20))
    listed = {"account_id": service.account, **days}
    yield Call("listInvoices", 200, listed, "InvoiceList", {"currency": "USD"})
    yield Call("listInvoices", 404, {**listed, "account_id": UNKNOWN}, "Problem", problem)
    yield Call("headInvoices", 200, listed)
    period = f"from={days['from_']}&to={today}"
    invoices = service.get(f"/v2/accounts/{service.account}/billing/invoices?{period}")["invoices"]
    invoice = invoices[0]
    one = {"account_id": service.account, "invoice_id": invoice["id"]}
    yield Call("getInvoice", 200, one, "Invoice", {
        name: invoice[name] for name in ("id", "invoice_number", "total_amount", "tax_amount", "balance", "status")})
    yield Call("headInvoice", 200, one)
    # Zoom permits one download of an invoice in 30 minutes.
    for path, other in (("", invoices[1]), ("AtOlderPath", invoices[2])):
        file_of = {"invoice_id": other["id"]}
        yield Call(
            f"downloadInvoiceFile{path}", 200, file_of, check=lambda body: require(body.startswith(b"%PDF"), "no PDF"))
        yield Call(f"headInvoiceFile{path}", 200, file_of)
    yield from changes(service)
    yield Call("streamBilling", 400, {"include": "invoices"}, "Problem", {"code": 300})
    yield Call("streamBilling", 400, {"fields": "country,age"}, "Problem", {"code": 300})
    yield Call("headStreamBilling", arguments={"limit": 3})
    body = file(io.BytesIO(f'{{"account_id":"{service.account}"}}\n'.encode()))
    yield Call("streamChosenBilling", arguments={"body": body}, check=lines(1))
    yield Call("streamChosenBilling", check=lines(0))
    for operation, part, is_probe in (
            ("getErrors", b'<section id="self-pay"', False), ("getContractJson", b'"openapi":"3.1.0"', False),
            ("getContractYaml", b"openapi: 3.1.0", False), ("getApiPage", b'<main id="api">', True),
            ("getRenderer", b"Redoc", True), ("getOperationsContractJson", b'"openapi":"3.1.0"', True),
            ("getOperationsContractYaml", b"openapi: 3.1.0", True)):
        yield Call(
            operation, check=lambda body, part=part: require(part in body, f"no {part}"), is_probe=is_probe)
        if not is_probe:
            yield Call(operation.replace("get", "head"))
    yield Call("isAlive", model="Health", attributes={"status": "alive"}, is_probe=True)
    yield Call("isReady", model="Health", attributes={"status": "ready"}, is_probe=True)
    yield Call("isReady", arguments={"verbose": ""}, model="Health", attributes={"status": "ready"}, is_probe=True)
    yield Call("getOperatorPage", check=lambda body: require(b"<!doctype html>" in body, "no page"), is_probe=True)
    yield Call("getStatus", model="Status", attributes={"ready": True}, is_probe=True)
    yield Call("getMetrics", check=lambda body: require(b"\nbilling_cache_bytes " in body, "no metric"), is_probe=True)


def changes(service):
    """Each change as a dry run or with a problem, one change that is made, and its key."""
    models = importlib.import_module("billing_client.models")
    account = {"account_id": service.account}
    contact = {**account, "body": models.ContactChange(city="Oakland"), "idempotency_key": "client-1"}
    yield Call(
        "updateBilling", 200, {**contact, "dry_run": True}, "DryRun", {"operation": "Update billing information"})
    for _ in range(2):
        yield Call("updateBilling", 204, contact)
    other = {**contact, "body": models.ContactChange(city="Berkeley")}
    yield Call("updateBilling", 422, other, "Problem", {"code": 422})
    yield Call("updateBilling", 412, {**other, "idempotency_key": "2", "if_match": '"other"'}, "Problem", {"code": 412})
    yield Call("getIdempotencyKey", 200, {"key": "client-1"}, "Key", {"state": "finished"})
    yield Call("headIdempotencyKey", 200, {"key": "client-1"})
    yield Call("deleteIdempotencyKey", 204, {"key": "client-1"})
    yield Call("deleteIdempotencyKey", 404, {"key": "client-1"}, "Problem", {"code": 404})
    unknown = {"account_id": UNKNOWN, "idempotency_key": "client-2"}
    problem = {"code": 2001}
    update = models.PlanUpdate(type_="monthly", hosts=5)
    yield Call("subscribePlans", 404, {**unknown, "body": models.Subscription.from_dict(
        {"plan_base": {"type": "monthly", "hosts": 5}})}, "Problem", problem)
    yield Call("subscribeAdditionalPlan", 404, {**unknown, "body": models.AdditionalPlan.from_dict(
        {"type": "webinar500_monthly", "hosts": 2})}, "Problem", problem)
    webinar = models.PlanUpdate(type_="webinar500_monthly", hosts=2)
    yield Call("updateAdditionalPlan", 404, {**unknown, "body": webinar}, "Problem", problem)
    yield Call("cancelAdditionalPlan", 404, {**unknown, "body": models.PlanCancellation(
        type_="webinar500_monthly")}, "Problem", problem)
    yield Call("updateBasePlan", 404, {**unknown, "body": update}, "Problem", problem)
    yield Call("cancelBasePlan", 404, {**unknown, "body": models.BaseCancellation()}, "Problem", problem)


def lines(accounts, kinds=1):
    """A check of a stream: each line is read with the class of its type."""
    def check(body):
        models = importlib.import_module("billing_client.models")
        read = [
            getattr(models, f"{line['type'].title()}Line").from_dict(line)
            for line in map(json.loads, body.decode().splitlines())]
        require(read[0].type_ == "begin" and read[-1].type_ == "end", "not from begin to end")
        require(len(read) - 2 == accounts * kinds, f"not {accounts} accounts")
    return check


def generate(folder):
    """Import the client from a new package in `folder`."""
    settings = pathlib.Path(folder, "settings.yaml")
    settings.write_text(SETTINGS, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--path", contract.DOCUMENT, "--config", settings,
         "--meta", "none", "--output-path", pathlib.Path(folder, "billing_client"), "--fail-on-warning"],
        capture_output=True, text=True, check=False)
    require(result.returncode == 0, result.stdout + result.stderr)
    sys.path.insert(0, folder)
    return importlib.import_module("billing_client")


def main(binary):
    results = contract.Results("client")
    document = contract.Contract()
    documented = {
        operation.get("operationId") for item in document.document["paths"].values()
        for operation in item.values() if isinstance(operation, dict)}
    made = set()
    with tempfile.TemporaryDirectory() as folder:
        package = generate(folder)
        service = programs.Service("--sandbox-accounts", "20", "--log-level", "error", binary=binary)
        with programs.stopped_at_end(service):
            options = {"raise_on_unexpected_status": True, "timeout": 60}
            client = package.AuthenticatedClient(base_url=service.base, token=service.token, **options)
            probe = package.Client(base_url=service.operations, **options)
            file = importlib.import_module("billing_client.types").File
            for call in (call for call in calls(service, file) if call.operation in documented):
                results.run(call, lambda call=call: call.run(document, probe if call.is_probe else client))
                made.add(call.operation)
    for operation in sorted(documented - made):
        results.run(operation, lambda: require(False, "no call of it"))
    return results.exit_code()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
