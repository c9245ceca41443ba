#!/usr/bin/env python3
"""Run the client examples in docs/clients/ as their users would, in clear text, and over TLS with faults.

    scripts/check-clients.py .build/debug/billing-service

The faults: a caller rate that answers 429, connections that break during the stream, and a change whose outcome Zoom
does not report.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.request

import contract
import programs
from contract import require

CLIENTS = programs.ROOT / "docs/clients"
# From Debian's libgoogle-gson-java.
GSON = "/usr/share/java/gson.jar"
COMMANDS = {
    "Python": [sys.executable, CLIENTS / "client.py"],
    "Go": ["go", "run", CLIENTS / "client.go"],
    "Java": ["java", "-cp", GSON, CLIENTS / "Client.java"],
    "Node": ["node", CLIENTS / "client.mjs"],
    "shell": ["sh", CLIENTS / "client.sh"],
}
ACCOUNTS = 1000
# Of 100 sub accounts, one pays for itself.
EXPECTED = r"""pays for itself
(.+), then 304
990 contacts, 10 failures
dry run: city \1 -> Berkeley
changed: 204
"""
TIMEOUT_SECONDS = 300
# The first breaks before the first line of a stream, the others within it: it has some 300 KB.
BROKEN_AFTER_BYTES = (4_000, 60_000, 120_000)
SCOPES = "billing:read,billing:write,billing:export"


class BreakingProxy:
    """Forwards connections. Resets one for each number of `BROKEN_AFTER_BYTES`, after as many bytes to the client."""

    def __init__(self, port):
        self.target = port
        self.lock = threading.Lock()
        self.limits = list(BROKEN_AFTER_BYTES)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self.forward, args=(server, client, True), daemon=True).start()

    def forward(self, source, sink, is_counted=False):
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16_384):
                passed += len(data)
                if is_counted and self.breaks_at(passed):
                    # Closing without lingering sends RST.
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD if end is sink and passed else socket.SHUT_RDWR)
            end.close()

    def breaks_at(self, passed):
        with self.lock:
            if self.limits and passed > self.limits[0]:
                self.limits.pop(0)
                return True
            return False


def run(language, service, base, environment):
    accounts = [service.accounts[1], environment.pop("ACCOUNT")]
    result = subprocess.run(
        [*map(str, COMMANDS[language]), *accounts], capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
        check=False, env={**os.environ, **environment, "BASE": base})
    require(result.returncode == 0, f"exit code {result.returncode}: {result.stdout} {result.stderr}")
    require(re.fullmatch(EXPECTED, result.stdout), f"printed {result.stdout} {result.stderr}")
    return result.stderr


def run_with_faults(language, service, token, account, trust):
    """Run an example behind a proxy that breaks its connections, for a caller of a low rate."""
    proxy = BreakingProxy(service.port)
    fault = {"fault": "close-after-effect", "operation": "update-billing", "account_id": account, "times": 1}
    zoom = f"http://127.0.0.1:{service.zoom_port}/sandbox"
    urllib.request.urlopen(f"{zoom}/faults", json.dumps(fault).encode()).close()
    said = run(
        language, service, f"https://localhost:{proxy.port}", {**trust, "TOKEN": token, "ACCOUNT": account})
    require(not proxy.limits, f"the connections did not break: {said}")
    if language != "shell":  # curl retries without a message.
        require("429" in said, f"no 429: {said}")
        require("continue" in said, f"no continued stream: {said}")
        require("504" in said, f"no unknown outcome: {said}")
    with urllib.request.urlopen(f"{zoom}/writes") as journal:
        writes = [json.loads(line) for line in journal]
    applied = [one for one in writes if one["account_id"] == account and one["effect"] == "applied"]
    require(len(applied) == 1, f"the change was made {len(applied)} times")


def trusting(folder, certificate):
    """Environment variables with which each language trusts the certificate."""
    store = folder / "trusted.p12"
    subprocess.run(
        ["keytool", "-importcert", "-noprompt", "-alias", "service", "-file", certificate, "-keystore", store,
         "-storetype", "PKCS12", "-storepass", "changeit"], check=True, capture_output=True)
    return {
        "SSL_CERT_FILE": str(certificate), "CURL_CA_BUNDLE": str(certificate), "NODE_EXTRA_CA_CERTS": str(certificate),
        "JDK_JAVA_OPTIONS": f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword=changeit"}


def paid_accounts(service):
    page = service.get("/v2/accounts?page_size=50")
    own = {service.accounts[1]}
    return [account["id"] for account in page["accounts"] if account["id"] not in own]


def main(binary):
    results = contract.Results("clients")
    with (tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor() as pool):
        folder = pathlib.Path(name)
        tls = programs.make_certificate(folder)
        callers = folder / "callers.json"
        tokens = {
            language: programs.add_caller(binary, callers, f"caller{number}", "--scopes", SCOPES, "--rate", "1,2/s")
            for number, language in enumerate(COMMANDS)}
        clear = programs.Service("--log-level", "error", binary=binary)
        secure = programs.Service("--callers-file", callers, "--log-level", "error", binary=binary, tls=tls)
        with programs.stopped_at_end(clear, secure):
            trust = trusting(folder, tls[1])
            accounts = dict(zip(COMMANDS, paid_accounts(clear), strict=False))
            checks = {}
            for language, account in accounts.items():
                environment = {"TOKEN": clear.token, "ACCOUNT": account}
                checks[f"{language}, clear text"] = pool.submit(run, language, clear, clear.base, environment)
                checks[f"{language}, faults"] = pool.submit(
                    run_with_faults, language, secure, tokens[language], account, trust)
            for check, future in checks.items():
                results.run(check, future.result)
    return results.exit_code()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
