#!/usr/bin/env python3
"""Print the pinned version and the newest release of what becomes part of the program: the dependencies of
Package.swift, and the packages of scripts/requirements-assets.txt.

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
PACKAGE = re.compile(r"^([\w-]+)==(\S+)$", re.MULTILINE)
PIP = ROOT / ".venv" / "bin" / "pip"
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


def newest_package(name):
    """The version, or why there is none."""
    if not PIP.exists():
        return "no pip: run make assets"
    try:
        result = subprocess.run(
            [PIP, "index", "versions", name], capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return "no answer"
    found = re.match(rf"{name} \(([^)]+)\)", result.stdout, re.IGNORECASE)
    return found[1] if found else "not reachable"


def main():
    dependencies = DEPENDENCY.findall((ROOT / "Package.swift").read_text(encoding="utf-8"))
    packages = PACKAGE.findall((ROOT / "scripts" / "requirements-assets.txt").read_text(encoding="utf-8"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        newest = list(pool.map(newest_release, (url for url, _ in dependencies)))
        newest += pool.map(newest_package, (name for name, _ in packages))
    rows = [("dependency", "pinned", "newest", "")]
    for (source, pinned), version in zip(dependencies + packages, newest, strict=True):
        note = "newer" if version[0].isdigit() and version != pinned else ""
        rows.append((source.rpartition("/")[2], pinned, version, note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
