"""Start billing-service and other programs, and read where they listen."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE_BINARY = ROOT / ".build/release/billing-service"
START_SECONDS = 300
STOP_SECONDS = 300


class Program:
    """A program in the background, with the lines of its standard output.

    `cores` is the list of processor cores that it may use, as taskset has it.
    """

    def __init__(self, command, cores=None, environment=None, errors=subprocess.DEVNULL):
        pinned = ["taskset", "-c", cores] if cores else []
        self.process = subprocess.Popen(
            [*pinned, *map(str, command)], stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.process.pid

    def read_until(self, pattern):
        """The output up to and including the first line that matches. The program is killed if none comes in time."""
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        text = ""
        try:
            for line in self.process.stdout:
                text += line
                if re.search(pattern, line):
                    return text
        finally:
            timer.cancel()
        sys.exit(f"{self.process.args} ended before it was ready:\n{text}")

    def wait_for_port(self, port):
        while self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        sys.exit(f"{self.process.args} ended before it was ready")

    def stop(self):
        """Send SIGTERM. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        timer = threading.Timer(STOP_SECONDS, self.process.kill)
        timer.start()
        try:
            return self.process.wait()
        finally:
            timer.cancel()


class Service(Program):
    """`billing-service serve` with the embedded sandbox, on ports that the system chooses.

    `tls` is a pair of a key file and a certificate file.
    """

    def __init__(
            self, *flags, binary=RELEASE_BINARY, tls=None, cores=None, environment=None, errors=subprocess.DEVNULL):
        tls_flags = ["--http-tls-key", tls[0], "--http-tls-certificate", tls[1]] if tls else []
        super().__init__(
            [binary, "serve", "--sandbox", "--http-port", "0", "--ops-port", "0", *flags, *tls_flags],
            cores, environment, errors)
        # The last line with a command to try.
        text = self.read_until(r"^curl .*/v2/billing/stream")
        try:
            self.base = re.search(r"Listening on (https?://\S+)", text)[1]
            self.operations = re.search(r"Operations on (http://\S+)", text)[1]
            self.zoom_port = int(re.search(r"sub accounts\b.*\bat http://127\.0\.0\.1:(\d+)", text)[1])
            self.token = re.search(r"authorization: Bearer ([^']+)'", text)[1]
            # Those that the program prints: one that the master account pays for, and one that pays for itself.
            self.accounts = re.findall(r"/v2/accounts/([^/]+)/billing", text)
            self.account = self.accounts[0]
        except (TypeError, IndexError):
            self.process.kill()
            sys.exit(f"the service did not print how to try it, but:\n{text}")

    @property
    def port(self):
        return int(self.base.rpartition(":")[2])

    @property
    def headers(self):
        """The options of curl and h2load that send the access token."""
        return ["-H", f"authorization: Bearer {self.token}"]

    @property
    def account_url(self):
        return f"{self.base}/v2/accounts/{self.account}/billing"

    def text(self, target):
        """The body of a response."""
        request = urllib.request.Request(self.base + target, headers={"authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
            return response.read().decode()

    def get(self, target):
        """The JSON of a response."""
        return json.loads(self.text(target))

    @property
    def stream_url(self):
        return f"{self.base}/v2/billing/stream"


class Listener(Program):
    """Any other subcommand of billing-service that listens, without TLS."""

    def __init__(self, *arguments, binary=RELEASE_BINARY):
        super().__init__([binary, *arguments])
        text = self.read_until(r"Listening on http://127\.0\.0\.1:\d+")
        self.port = int(re.search(r"Listening on http://127\.0\.0\.1:(\d+)", text)[1])


def add_caller(binary, callers_file, name, *rights):
    """The token of a new caller. `rights` are flags of `callers add`."""
    result = subprocess.run(
        [binary, "callers", "add", "--callers-file", callers_file, "--name", name, *rights], capture_output=True,
        text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"callers add failed: {result.stderr}")
    return result.stdout.strip()


def make_certificate(folder):
    """A key and a self-signed certificate for localhost: (key file, certificate file)."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate


@contextlib.contextmanager
def stopped_at_end(*programs):
    """Stop programs at the end, also after an error. The list can be extended meanwhile."""
    running = list(programs)
    try:
        yield running
    finally:
        for program in running:
            program.stop()
