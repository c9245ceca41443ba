#!/usr/bin/env python3
"""Check the pages of the operations listener in Debian's Chromium, with load and faults.

    scripts/check-pages.py .build/debug/billing-service [--picture FILE]

The numbers on the operator's page must be those of /metrics. No page may need another host, write to the console of the
browser, or fail a rule of axe-core. Screenshots are in .build/pages. --picture also writes the picture of the README.
"""
import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import axe_playwright_python.sync_playwright
import contract
import playwright.sync_api
import programs
from contract import require

FOLDER = programs.ROOT / ".build/pages"
CHROMIUM = "/usr/bin/chromium"
OPERATOR = "/"
ERRORS = "/v2/errors"
API = "/api"
PAGES = {"operator": OPERATOR, "errors": ERRORS}
THEMES = ("light", "dark")
WIDTHS = {"wide": 1280, "narrow": 390}
# Longer than any wait of a busy machine.
TIMEOUT_MS = 120_000
PAGE_BYTES_MAX = 60_000
ACCOUNTS = 600
# Elements without contents of their own to tab to are skipped by browsers.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Load:
    """Streams, lookups and wrong tokens, while Zoom fails now and then."""

    def __init__(self, service, seconds_between_guesses=0.5):
        self.service, self.seconds_between_guesses = service, seconds_between_guesses
        self.has_ended = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.look_up, self.guess)]
        self.stream = None

    def add_fault(self, **fault):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.service.zoom_port}/sandbox/faults", json.dumps(fault).encode())
        urllib.request.urlopen(request, timeout=60).close()

    def __enter__(self):
        self.add_fault(fault="status", operation="billing", status=500, code=500, message="Failed.", probability=0.1)
        self.add_fault(fault="status", operation="billing", status=429, code=429, message="Wait.", times=3)
        self.stream = subprocess.Popen(
            ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", *self.service.headers,
             self.service.stream_url], stdout=subprocess.DEVNULL)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.has_ended.set()
        for thread in self.threads:
            thread.join()
        self.stream.kill()
        self.stream.wait()

    def look_up(self):
        while not self.has_ended.wait(0.02):
            self.service.text(f"/v2/accounts/{self.service.account}/billing")

    def guess(self):
        while not self.has_ended.wait(self.seconds_between_guesses):
            request = urllib.request.Request(self.service.account_url, headers={"authorization": "Bearer wrong"})
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=60).close()


class Pages:
    """A browser. Each page must stay on its host, and write nothing to the console."""

    def __init__(self, browser, base):
        self.browser, self.base, self.trouble = browser, base, []

    @contextlib.contextmanager
    def open(self, path, *, theme="light", width=1280, **options):
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", **options)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("console", lambda message: self.trouble.append(f"{path}: console: {message.text}"))
        page.on("pageerror", lambda error: self.trouble.append(f"{path}: {error}"))
        page.on("request", lambda request: self.note_request(path, request.url))
        try:
            page.goto(self.base + path)
            yield page
        except playwright.sync_api.Error as error:
            raise AssertionError(str(error)) from error
        finally:
            context.close()

    def note_request(self, path, url):
        if not url.startswith((self.base, "data:", "blob:")):
            self.trouble.append(f"{path} needs {url}")

    def take_trouble(self):
        trouble, self.trouble = self.trouble, []
        return trouble


def metrics(service):
    """The samples of /metrics: {(name, labels): value}. Labels are a set of pairs."""
    with urllib.request.urlopen(service.operations + "/metrics", timeout=60) as response:
        text = response.read().decode()
    samples = {}
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE):
        samples[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels))] = float(value)
    return samples


def total(samples, name, **labels):
    """The sum of the samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, pairs), value in samples.items() if found == name and wanted <= pairs)


def rows(page, caption):
    """The rows of a table: lists of texts, in which a number is as programs read it."""
    return page.eval_on_selector_all(
        "caption", """(captions, caption) => {
            const found = captions.find((one) => one.textContent === caption);
            if (!found) return [];
            const text = (cell) => cell.querySelector("data")?.value ?? cell.textContent;
            return [...found.parentElement.tBodies[0].rows].map((row) => [...row.cells].map(text));
        }""", caption)


def fact(page, name):
    return page.locator("dl div", has=page.locator("dt", has_text=re.compile(f"^{re.escape(name)}$"))).locator("dd")


def compare(page, service):
    """Whether each number of the page is that of /metrics. Raises an error that names the first other one."""
    samples = metrics(service)
    for master, label, _, limit, _, waiting, refused, too_many, _, _ in rows(
            page, "Requests to Zoom by master account and rate limit"):
        labels = {"master": master, "label": label.removesuffix("own share")}
        for name, shown in (
                ("zoom_budget_limit_per_second", limit), ("zoom_budget_waiting", waiting),
                ("zoom_budget_refused_total", refused)):
            require(float(shown) == total(samples, name, **labels), f"{name} of {label} is shown as {shown}")
        if label == "Medium":
            calls = total(
                samples, "zoom_calls_total", master=master, operation="Get billing information", outcome="rate-limited")
            require(float(too_many) == calls > 0, f"{calls} answers 429 are shown as {too_many}")
    for kind, opened, accepted in rows(page, "Connections by protocol"):
        version, security = re.fullmatch(r"HTTP/([\d.]+), (TLS|clear text)", kind).groups()
        labels = {"network_protocol_version": version, "tls": "true" if security == "TLS" else "false"}
        for name, shown in (
                ("http_server_connections", opened), ("http_server_connections_opened_total", accepted)):
            require(float(shown) == total(samples, name, **labels), f"{name} of {kind} is shown as {shown}")
    shown = fact(page, "Cached answers to all operations").locator("data").get_attribute("value")
    require(float(shown) == total(samples, "billing_cache_entries") > 0, f"cached answers are shown as {shown}")
    for reason, count in rows(page, "Defences that have acted since the start"):
        shown = total(samples, "http_server_defences_total", reason=reason)
        require(float(count) == shown, f"{reason} is shown as {count}")


def wait_for(check):
    """Repeat a check until it raises no error, since the page is up to a second older than /metrics."""
    end = time.monotonic() + TIMEOUT_MS / 1000
    while True:
        try:
            return check()
        except contract.FAILURES:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def is_live(page):
    page.locator("#live", has_text="Live, as of").wait_for()


def check_under_load(pages, service):
    with pages.open(OPERATOR) as page, Load(service):
        is_live(page)
        wait_for(lambda: require(len(rows(page, "Open streams")) == 1, "the stream is not shown"))
        wait_for(lambda: require(int(page.locator("#streams data").first.get_attribute("value")) > 20, "no progress"))
        wait_for(lambda: require(rows(page, "The last failed requests, the newest first"), "no failure is shown"))
        time.sleep(8)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            for name, width in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                page.screenshot(path=FOLDER / f"operator-{theme}-{name}.png", full_page=True)


def take_picture(pages, binary, file):
    """The first screen of the operator's page, with charts of two and a half minutes."""
    service = programs.Service(
        "--sandbox-accounts", "20000", "--sandbox-limits", "business", "--refresh-interval", "5m", binary=binary)
    with (
            programs.stopped_at_end(service), Load(service, seconds_between_guesses=20),
            Pages(pages.browser, service.operations).open(OPERATOR) as page):
        is_live(page)
        time.sleep(150)
        page.set_viewport_size({"width": 1280, "height": 1010})
        pathlib.Path(file).parent.mkdir(exist_ok=True)
        page.screenshot(path=file)


def check_numbers(pages, service):
    with pages.open(OPERATOR) as page:
        is_live(page)
        wait_for(lambda: compare(page, service))


def check_without_script(pages, service):
    with pages.open(OPERATOR, java_script_enabled=False) as page:
        html = page.content()
        require("Ready" in html and "<caption>Open streams" not in html, "the page without script is not complete")
        require(page.locator("#rates tbody tr").count() >= 3, "the page without script has no rate limits")
        require("http-equiv=\"refresh\"" in html, "the page without script is never updated")
    with urllib.request.urlopen(service.operations + OPERATOR, timeout=60) as response:
        size = len(response.read())
    require(size <= PAGE_BYTES_MAX, f"the page has {size} bytes")
    print(f"The operator's page has {size} bytes.")


def check_rules(pages, path, theme, width):
    """The rules of axe-core: contrast, labels, names, order of headings, regions that can be scrolled."""
    with pages.open(path, theme=theme, width=width, bypass_csp=True) as page:
        page.locator("h1").first.wait_for()
        found = axe_playwright_python.sync_playwright.Axe().run(page, options=RULES).response["violations"]
        require(not found, "; ".join(
            f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found))
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        require(not wide, "the page is wider than the screen")


def check_keyboard(pages):
    with pages.open(OPERATOR, width=390) as page:
        is_live(page)
        seen = []
        while True:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            seen.append(page.evaluate("document.activeElement.textContent.slice(0, 40)"))
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            require(style != "none", f"the focus on {seen[-1]} is not visible")
        require(seen[0] == "Skip to the numbers" and len(seen) > 15, f"the stops are {seen}")
        region = "Requests to Zoom by master account and rate limit"
        focus = page.locator(f"[aria-label='{region}']")
        focus.focus()
        page.wait_for_timeout(2500)
        require(
            page.evaluate("document.activeElement.getAttribute('aria-label')") == region,
            "an update of the page takes the focus away")


def check_lost_connection(pages, binary):
    """The page says that its numbers are old, and is live again after a restart of the service."""
    port = 0
    with contextlib.ExitStack() as stack:
        service = programs.Service(binary=binary)
        port = urllib.parse.urlsplit(service.operations).port
        other = Pages(pages.browser, service.operations)
        page = stack.enter_context(other.open(OPERATOR))
        is_live(page)
        service.process.kill()
        service.process.wait()
        page.locator("#live.lost", has_text="Connection lost. The numbers are of").wait_for()
        with programs.stopped_at_end(programs.Service("--ops-port", str(port), binary=binary)):
            page.locator("#live:not(.lost)", has_text="Live, as of").wait_for()


def check_token(pages, binary):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "token")
        file.touch(mode=0o600)
        file.write_text("a long token\n", encoding="utf-8")
        service = programs.Service("--ops-token-file", file, binary=binary)
        with programs.stopped_at_end(service):
            protected = Pages(pages.browser, service.operations)
            try:
                urllib.request.urlopen(service.operations + OPERATOR, timeout=60)
                require(False, "the page needs no token")
            except urllib.error.HTTPError as error:
                require(error.code == 401, f"status {error.code} without the token")
            credentials = {"username": "operator", "password": "a long token"}
            with protected.open(OPERATOR, http_credentials=credentials) as page:
                is_live(page)
            require(not protected.take_trouble(), "the page with a token has an error")


def check_errors(pages):
    """The type of an error leads to its section."""
    with pages.open(f"{ERRORS}#outcome-unknown") as page:
        require(page.locator("section:target h3").text_content() == "outcome-unknown", "the section is not found")
        box = page.locator("section:target").bounding_box()
        require(0 <= box["y"] < 900, f"the section is at {box}")


def check_api(pages, service, theme, name):
    """The page about the API finds operations and shows their examples. Redoc's colours are not all ours to check."""
    with pages.open(API, theme=theme, width=WIDTHS[name]) as page:
        page.locator("h1", has_text="billing-service").wait_for()
        page.screenshot(path=FOLDER / f"api-{theme}-{name}.png")
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        require(not wide, "the page is wider than the screen")
        if name == "wide":
            page.get_by_role("textbox").fill("idempotency")
            page.get_by_role("search").get_by_text("Remove an idempotency key").first.click()
            page.locator("h2", has_text="Remove an idempotency key").wait_for()
            # An example of a body.
            page.locator("code, pre", has_text="idempotency-key-in-use").first.wait_for()
            page.screenshot(path=FOLDER / f"api-operation-{theme}-{name}.png")
    with urllib.request.urlopen(service.operations + "/openapi.json", timeout=60) as response:
        require(json.loads(response.read())["openapi"] == "3.1.0", "no contract")


def cpu_seconds(service):
    return total(metrics(service), "process_cpu_seconds_total")


def report_cost(browser, binary):
    """Print what an open page costs a service without requests. Not a check: the machine may be busy."""
    seconds = 10
    service = programs.Service(binary=binary)
    with programs.stopped_at_end(service):
        before = cpu_seconds(service)
        time.sleep(seconds)
        idle = cpu_seconds(service) - before
        with Pages(browser, service.operations).open(OPERATOR) as page:
            is_live(page)
            before = cpu_seconds(service)
            time.sleep(seconds)
            used = cpu_seconds(service) - before
    print(f"An open page costs {(used - idle) / seconds * 1000:.1f} ms of CPU a second; "
          f"the service without it {idle / seconds * 1000:.1f} ms.")


def main(binary, picture):
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = contract.Results("pages")
    service = programs.Service(
        "--sandbox-accounts", str(ACCOUNTS), "--sandbox-limits", "pro", "--refresh-interval", "5m", binary=binary)
    with programs.stopped_at_end(service), playwright.sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pages = Pages(browser, service.operations)
        results.run("under load", lambda: check_under_load(pages, service))
        results.run("the numbers are those of /metrics", lambda: check_numbers(pages, service))
        results.run("without script", lambda: check_without_script(pages, service))
        results.run("keyboard", lambda: check_keyboard(pages))
        results.run("errors", lambda: check_errors(pages))
        for theme in THEMES:
            for name in WIDTHS:
                results.run(f"API, {theme}, {name}", lambda t=theme, n=name: check_api(pages, service, t, n))
        for name, path in PAGES.items():
            for theme in THEMES:
                for width in WIDTHS.values():
                    results.run(
                        f"axe-core: {name}, {theme}, {width} px",
                        lambda p=path, t=theme, w=width: check_rules(pages, p, t, w))
        trouble = pages.take_trouble()
        results.run("no console message, no other host", lambda: require(not trouble, "; ".join(trouble)))
        results.run("token", lambda: check_token(pages, binary))
        results.run("lost connection", lambda: check_lost_connection(pages, binary))
        report_cost(browser, binary)
        if picture:
            take_picture(pages, binary, picture)
        browser.close()
    return results.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--picture", help="also write the picture of the README to this file")
    options = parser.parse_args()
    raise SystemExit(main(options.binary, options.picture))
