#!/usr/bin/env python3
"""Read the Postman collection with a client for such collections, and send its requests to the service.

    scripts/check-collection.py .build/debug/billing-service
"""
import json
import sys
import urllib.request

import collection
import contract
import programs
import python_postman
from contract import require
from python_postman.execution import ExecutionContext, RequestExecutor

# The account of a change, by its operation: one without plans, and one with the additional plan. The others have an
# ordinary account.
ACCOUNTS = {"subscribePlans": "free", "updateAdditionalPlan": "webinar", "cancelAdditionalPlan": "webinar"}


def check_structure(document, parsed):
    validation = parsed.validate()
    require(validation.is_valid, f"errors: {validation.errors}")
    described = {
        operation["operationId"] for item in contract.Contract().document["paths"].values()
        for method in collection.METHODS if (operation := item.get(method))}
    items = [item for folder in document["item"] for item in folder["item"]]
    require({item["id"] for item in items} == described, "not all operations have a request")
    require(len(list(parsed.get_requests())) == len(items), "the client finds another number of requests")
    used = {name for item in items for name in variables(json.dumps(item["request"]))} | {"token"}
    require(used == set(collection.VARIABLES), f"variables: {used}")
    for item in items:
        require(item["response"], f"{item['name']} has no example")


def variables(text):
    return {part.partition("}}")[0] for part in text.split("{{")[1:]}


def check_request(executor, values, request, item):
    """The request succeeds, and its status has an example."""
    result = executor.execute_request_sync(request, ExecutionContext(collection_variables=values))
    require(result.error is None, f"{result.error}")
    status = result.response.status_code
    require(200 <= status < 300, f"status {status}: {result.response.text[:300]}")
    codes = {answer["code"] for answer in item["response"]}
    require(status in codes or status == 204, f"{status} has no example, only {codes}")


def prepare(service):
    """Values of the variables that a reader of the collection sets, by operation."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.zoom_port}/sandbox/accounts") as answer:
        accounts = json.load(answer)
    page = service.get("/v2/accounts?page_size=10")["accounts"]
    accounts["webinar"] = next(one["id"] for one in page if one["id"] not in service.accounts)
    # A change with the key of the collection, so that there is something to read and to remove.
    key = collection.VARIABLES["key"][0]
    send(service, "PATCH", f"/v2/accounts/{service.account}/billing", {"city": "Oakland"}, key)
    send(service, "POST", f"/v2/accounts/{accounts['webinar']}/plans/addons",
         {"type": "webinar500_monthly", "hosts": 2}, "webinar")
    # Zoom permits few requests for invoices: the list that the collection requests, and one file of an invoice.
    days = "from=2026-01-01&to=2026-06-30"
    invoices = service.get(f"/v2/accounts/{service.account}/billing/invoices?{days}")["invoices"]
    common = {
        "base": service.base, "operations": service.operations, "token": service.token, "key": key,
        "accountId": service.account, "invoiceId": invoices[0]["id"]}
    own = {operation: {"accountId": accounts[name]} for operation, name in ACCOUNTS.items()}
    own["downloadInvoiceFileAtOlderPath"] = {"invoiceId": invoices[1]["id"]}
    return lambda operation: {**common, **own.get(operation, {})}


def send(service, method, path, body, key):
    headers = {
        "authorization": f"Bearer {service.token}", "content-type": "application/json", "idempotency-key": f'"{key}"'}
    urllib.request.urlopen(
        urllib.request.Request(service.base + path, json.dumps(body).encode(), headers, method=method)).close()


def main(binary):
    results = contract.Results("collection")
    document = collection.Collection(contract.Contract()).document()
    parsed = python_postman.PythonPostman.from_dict(document)
    results.run("structure", lambda: check_structure(document, parsed))
    service = programs.Service("--log-level", "error", binary=binary)
    with programs.stopped_at_end(service), RequestExecutor(client_config={"timeout": 60}) as executor:
        values = prepare(service)
        items = [item for folder in document["item"] for item in folder["item"]]
        for item, request in zip(items, parsed.get_requests(), strict=True):
            results.run(
                item["name"],
                lambda item=item, request=request: check_request(executor, values(item["id"]), request, item))
    return results.exit_code()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
