"""Look up accounts, read the stream of all accounts, and change the city of one.

    pip install 'httpx[http2]'
    BASE=http://127.0.0.1:8080 TOKEN=bst_... python3 client.py ACCOUNT...
"""
import json
import os
import sys
import time
import urllib.parse
import uuid

import httpx

ATTEMPTS = 8
# Without TLS there is no negotiation, so the client has to choose HTTP/2.
client = httpx.Client(
    base_url=os.environ["BASE"], http2=True, http1=os.environ["BASE"].startswith("https:"), timeout=60,
    headers={"authorization": f"Bearer {os.environ['TOKEN']}"})


class Problem(Exception):
    """An error answer: problem details (RFC 9457) with Zoom's code and message."""

    def __init__(self, answer):
        self.code = answer.json().get("code")
        super().__init__(f"{answer.status_code}: {answer.text} (request {answer.headers['x-request-id']})")


def send(method, path, **options):
    """Send a read, or a change with a key: both may be repeated. The body of a success is not read yet."""
    for attempt in range(1, ATTEMPTS + 1):
        seconds = 0.1 * 2 ** attempt
        try:
            answer = client.send(client.build_request(method, path, **options), stream=True)
            if answer.is_success or answer.status_code == 304:
                return answer
            answer.read()
            seconds = float(answer.headers.get("retry-after", seconds if answer.status_code == 504 else "inf"))
            if seconds > 60 or attempt == ATTEMPTS:
                raise Problem(answer)
            print(f"{answer.status_code}: retry in {seconds} s", file=sys.stderr)
        except httpx.TransportError:
            if attempt == ATTEMPTS:
                raise
        time.sleep(seconds)


def stream():
    """Yield the line of each account. After a broken connection, continue after the last account."""
    after = {}
    for _ in range(20):
        answer = send("GET", "/v2/billing/stream", params=after)
        try:
            for line in map(json.loads, answer.iter_lines()):
                if line["type"] == "end":
                    return
                if "account_id" in line:
                    after = {"after": line["account_id"]}
                    yield line
        except (httpx.TransportError, json.JSONDecodeError):
            pass  # Only the line `end` makes a stream complete.
        finally:
            answer.close()
        print(f"the stream broke: continue after {after}", file=sys.stderr)
    raise EOFError("the stream is incomplete")


def main(accounts):
    for account in accounts:
        path = f"/v2/accounts/{urllib.parse.quote(account, safe='')}/billing"
        try:
            answer = send("GET", path)
            contact = json.loads(answer.read())
            again = send("GET", path, headers={"if-none-match": answer.headers["etag"]})
            print(f"{contact['city']}, then {again.status_code}")  # 304: it has not changed
            fields = {"if-match": answer.headers["etag"]}
        except Problem as problem:
            if problem.code != 2100:
                raise
            print("pays for itself")
    types = [line["type"] for line in stream()]
    print(f"{types.count('contact')} contacts, {types.count('failure')} failures")

    # The change of the last contact is refused (412) if it has changed since it was read.
    answer = send("PATCH", path, params={"dry_run": "true"}, json={"city": "Berkeley"}, headers=fields)
    for change in json.loads(answer.read())["changes"]:
        print(f"dry run: {change['field']} {change['from']} -> {change['to']}")
    # Store the key before you send the change. With the same key it is made once, however often it is sent.
    fields["idempotency-key"] = f'"{uuid.uuid4()}"'
    print(f"changed: {send('PATCH', path, json={'city': 'Berkeley'}, headers=fields).status_code}")


main(sys.argv[1:])
