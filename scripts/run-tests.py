#!/usr/bin/env python3
"""Run the tests, a few at a time, and end the run if it hangs.

Usage: scripts/run-tests.py [--width N] [--hang MINUTES] [--log FILE] [OPTION OF swift test ...]

Prints a line of progress every half a minute, each failure with its cause when it happens, and all failures and the
slowest tests at the end. The whole output of `swift test` goes to the log.

The exit code is that of `swift test`, or 1 if the run hung.
"""
import argparse
import contextlib
import ctypes
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import tty

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PROGRESS_SECONDS = 30
SLOWEST_MAX = 15

libc = ctypes.CDLL(None, use_errno=True)


class Run:
    """The events of the run so far."""

    def __init__(self):
        self.names = {}
        self.suites = {}
        self.functions = 0
        self.done = 0
        self.running = {}
        self.failures = []
        self.seconds = {}
        self.last_progress = time.monotonic()

    def read(self, line):
        try:
            record = json.loads(line)
        except ValueError:
            return
        payload = record.get("payload", {})
        if record.get("kind") == "test":
            name = payload.get("displayName") or payload.get("name", "")
            self.names[payload["id"]] = name
            if payload.get("kind") == "suite":
                self.suites[payload["id"]] = name
            else:
                self.functions += 1
            return
        kind, test = payload.get("kind"), payload.get("testID")
        case = (test, json.dumps(payload.get("_testCase", {}).get("id", "")))
        if kind == "testCaseStarted":
            self.running[case] = time.monotonic()
        elif kind == "testCaseEnded":
            began = self.running.pop(case, None)
            if began is not None:
                self.seconds[test] = self.seconds.get(test, 0) + time.monotonic() - began
        elif kind == "testEnded" and test not in self.suites:
            self.done += 1
        elif kind == "issueRecorded" and not payload.get("issue", {}).get("isKnown"):
            self.fail(test, payload)
        else:
            return
        self.last_progress = time.monotonic()

    def fail(self, test, payload):
        place = payload.get("issue", {}).get("sourceLocation") or {}
        case = payload.get("_testCase", {}).get("displayName")
        lines = [f"FAILED {self.full_name(test)}" + (f" ({case})" if case else "")]
        if place:
            lines.append(f"    at {place.get('fileID')}:{place.get('line')}")
        lines += ["    " + part for message in payload.get("messages", [])
                  for part in message.get("text", "").strip().split("\n")]
        failure = "\n".join(lines)
        self.failures.append(failure)
        say(failure)

    def full_name(self, test):
        if test is None:
            return "outside of any test"
        suite = test.split("/")[0]
        parts = [self.names.get(suite, ""), self.names.get(test, test)]
        return ": ".join(part for part in parts if part)

    def slowest_lines(self):
        slowest = sorted(self.seconds.items(), key=lambda row: row[1], reverse=True)[:SLOWEST_MAX]
        return [f"    {seconds:4.0f} s  {self.full_name(test)}" for test, seconds in slowest if seconds >= 1]

    def running_lines(self):
        now = time.monotonic()
        tests = sorted(((now - began, test) for (test, _), began in self.running.items()), reverse=True,
                       key=lambda row: row[0])
        return [f"    {seconds:4.0f} s  {self.full_name(test)}" for seconds, test in tests]


def say(text):
    print(text, flush=True)


def descendants():
    """Processes that tests have started and that still run. They have their own sessions; orphans are reparented to
    this process."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
        except (OSError, IndexError):
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [os.getpid()]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def kill_all():
    # The next round kills processes that were starting meanwhile.
    for _ in range(10):
        children = descendants()
        if not children:
            return
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        while reap():
            pass
        time.sleep(0.05)


def reap():
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def copy_output(pipe, log, tail, waits):
    for line in pipe:
        log.write(line)
        log.flush()
        text = line.decode(errors="replace").rstrip("\n")
        if text.startswith("still waiting after "):
            say(text)
            # The key is the place: only the duration differs between two reports of one wait.
            waits[text.partition(": ")[2]] = (time.monotonic(), text)
        if "Test run with " in text or text.startswith("error:") or "atal error" in text:
            tail.append(text)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2 * len(os.sched_getaffinity(0)),
                        help="tests that run at a time (twice the number of cores)")
    parser.add_argument("--hang", type=float, default=15,
                        help="minutes without a test that starts or ends, after which the run is ended (15)")
    parser.add_argument("--log", default=".build/test-output.log", help="file for the whole output")
    options, rest = parser.parse_known_args()
    os.makedirs(os.path.dirname(options.log) or ".", exist_ok=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    # The testing library buffers its events when it writes to a file, and would not report a test that hangs. To a
    # terminal it writes line by line.
    reader, writer = pty.openpty()
    tty.setraw(writer)
    with open(options.log, "wb") as log:
        command = ["swift", "test", "--skip-build", "--event-stream-output-path", os.ttyname(writer),
                   "--event-stream-version", "0"]
        if "--no-parallel" not in rest:
            command += ["--experimental-maximum-parallelization-width", str(options.width)]
        process = subprocess.Popen(command + rest, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL,
                                   # No thread runs yet, so code between fork and exec is safe.
                                   preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))  # noqa: PLW1509
        try:
            return watch(process, reader, options, log)
        finally:
            kill_all()


def watch(process, events, options, log):
    run, tail, waits, began = Run(), [], {}, time.monotonic()
    copier = threading.Thread(target=copy_output, args=(process.stdout, log, tail, waits), daemon=True)
    copier.start()
    next_report, hung, rest = began + PROGRESS_SECONDS, False, []
    while True:
        ended = process.poll() is not None
        # After the process has ended, its remaining events are read.
        while select.select([events], [], [], 0 if ended else 1)[0]:
            # A terminal passes on 4 KiB at a time. Only what is new is searched and copied, since a line may have
            # megabytes: it has the arguments of a test.
            *ends, last = os.read(events, 65536).split(b"\n")
            for end in ends:
                run.read(b"".join([*rest, end]))
                rest.clear()
            rest.append(last)
            if not ended and time.monotonic() >= next_report:
                break
        if ended:
            break
        now = time.monotonic()
        if now - run.last_progress > options.hang * 60:
            hung = True
            break
        if now >= next_report:
            next_report = now + PROGRESS_SECONDS
            say(f"{now - began:4.0f} s: {run.done} of {run.functions} tests have ended, "
                f"{len(run.running)} are running, {len(run.failures)} failures")
    if hung:
        say(f"HUNG: no test has started or ended for {options.hang:g} minutes; ending the run.")
    elif process.returncode != 0 and not run.failures:
        say(f"`swift test` ended with {process.returncode} in the middle of the run.")
    if hung or (process.returncode != 0 and not run.failures):
        say("These tests were running, and these waits had lasted over a minute:")
        for line in run.running_lines():
            say(line)
        # A wait is reported once a minute while it lasts.
        now = time.monotonic()
        for line in sorted(text for seen, text in waits.values() if now - seen < 90):
            say(f"    {line}")
    if hung:
        kill_all()
    # A process that a test has left behind may hold the pipe open.
    copier.join(timeout=10)
    if run.failures:
        say(f"\n{len(run.failures)} failures:\n")
        for failure in run.failures:
            say(failure)
    slowest = run.slowest_lines()
    if slowest:
        say("The slowest tests, with their cases added up:")
    for line in slowest + tail:
        say(line)
    say(f"{time.monotonic() - began:.0f} s, {options.width} tests at a time; the whole output is in {options.log}")
    return 1 if hung else process.returncode


if __name__ == "__main__":
    sys.exit(main())
