#!/usr/bin/env python3
"""Print, for each dependency of Package.swift, the pinned version and the newest release that its URL offers.

    scripts/outdated.py

The exit code is 0 whether or not there are newer releases, and also without a network.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPENDENCY = re.compile(r'\.package\(\s*url: "([^"]+)",\s*exact: "([^"]+)"')
# A release has three numbers. Pre-releases have a suffix and are left out.
RELEASE = re.compile(r"refs/tags/v?(\d+)\.(\d+)\.(\d+)$")
TIMEOUT_SECONDS = 30


def newest_release(url):
    """The version, or why there is none."""
    try:
        result = subprocess.run(
            ["git", "ls-remote", "--tags", "--refs", url], capture_output=True, text=True, check=False,
            timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
    except subprocess.TimeoutExpired:
        return "no answer"
    if result.returncode != 0:
        return "not reachable"
    releases = [tuple(map(int, match.groups())) for line in result.stdout.splitlines()
                if (match := RELEASE.search(line))]
    return ".".join(map(str, max(releases))) if releases else "no releases"


def main():
    dependencies = DEPENDENCY.findall((ROOT / "Package.swift").read_text(encoding="utf-8"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        newest = list(pool.map(newest_release, (url for url, _ in dependencies)))
    rows = [("dependency", "pinned", "newest", "")]
    for (url, pinned), version in zip(dependencies, newest, strict=True):
        note = "newer" if version[0].isdigit() and version != pinned else ""
        rows.append((url.rsplit("/", 1)[1], pinned, version, note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
