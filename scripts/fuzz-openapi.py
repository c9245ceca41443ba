#!/usr/bin/env python3
"""Send requests that schemathesis generates from openapi.yaml, valid and invalid ones, and check each response.

    scripts/fuzz-openapi.py .build/debug/billing-service

The requests are the same in each run. A response must not have a status, media type, header field or body that the
document does not describe. A valid request must not be answered 400, and an invalid one must not succeed.
"""
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import contract
import programs

HOOKS = pathlib.Path(__file__).resolve().parent / "fuzz_hooks.py"
INVOICES = "/v2/accounts/{accountId}/billing/invoices"
STREAM = "/v2/billing/stream"
EXAMPLES = 50
# Some warnings are failures: an operation without known ids would be tested with unknown ones only.
SETTINGS = f"""
request-timeout = 60
continue-on-failure = true
suppress-health-check = ["all"]
warnings.fail-on = ["missing_test_data", "missing_deserializer", "missing_auth", "dictionary_mismatch"]
generation.deterministic = true
generation.max-examples = {EXAMPLES}
generation.database = "none"
auth.openapi.caller.bearer = "${{TOKEN}}"
"""
# Most page tokens that are generated are refused: only one that the service has made is valid.
LIST_SETTINGS = """
[[operations]]
include-name = "GET /v2/accounts"
warnings = false
"""
# No key is known, and few accounts have no plans yet.
LIST_SETTINGS += "".join(f"""
[[operations]]
include-name = "{operation}"
warnings = false
""" for operation in (
    "GET /v2/billing/idempotency-keys/{key}", "HEAD /v2/billing/idempotency-keys/{key}",
    "DELETE /v2/billing/idempotency-keys/{key}", "POST /v2/accounts/{accountId}/plans"))


def settings(service):
    """The settings of schemathesis. Most valid requests have parameters for which Zoom or the service has data."""
    today = datetime.datetime.now(datetime.UTC).date()
    first = today - datetime.timedelta(days=300)
    known = {"path.accountId": [service.account], "query.from": [str(first)], "query.to": [str(today)]}
    document = contract.Contract()
    if INVOICES in document.document["paths"]:
        url = INVOICES.replace("{accountId}", service.account)
        known["path.invoiceId"] = [each["id"] for each in service.get(f"{url}?from={first}&to={today}")["invoices"]]
    if STREAM in document.document["paths"]:
        end = json.loads(service.text(STREAM).splitlines()[-1])
        known["query.changed_since"] = [end["as_of"]]
    text = SETTINGS
    for parameter in document.parameters() & set(known):
        name = parameter.partition(".")[2]
        text += f"dictionaries.{name}.values = {json.dumps(known[parameter])}\n"
        text += f'parameters."{parameter}" = {{ dictionary = "{name}", probability = 0.8 }}\n'
    return text + LIST_SETTINGS


def main(binary):
    service = programs.Service("--sandbox-accounts", "20", "--log-level", "error", binary=binary)
    with programs.stopped_at_end(service), tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "schemathesis.toml")
        file.write_text(settings(service), encoding="utf-8")
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", file, "run", contract.DOCUMENT, "--no-color"]
        environment = {
            **os.environ, "TOKEN": service.token, "SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": HOOKS.parent}
        # It leaves files in the current folder.
        runs = [
            subprocess.run([*command, "--url", url, tags, "operations"], env=environment, cwd=folder, check=False)
            for url, tags in ((service.base, "--exclude-tag"), (service.operations, "--include-tag"))]
    return max(run.returncode for run in runs)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
