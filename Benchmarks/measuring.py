"""What the benchmarks share: CPU time, memory, h2load, and a peer to compare with."""
import argparse
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# The benchmarks import from this module alone; what they share with the scripts is in scripts/programs.py.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))

from programs import (
    RELEASE_BINARY,
    ROOT,
    Listener,
    Program,
    Service,
    add_caller,
    make_certificate,
    stopped_at_end,
)

__all__ = [
    "LOAD_CORE", "RELEASE_BINARY", "ROOT", "SERVICE_CORE", "Listener", "Priorities", "Program", "Service", "add_caller",
    "cpu_seconds", "load", "lookup_times", "make_certificate", "measure", "mebibytes", "memory", "percentile",
    "percentiles", "require_tools", "run_scenarios", "spread", "start_nghttpd", "start_nginx", "start_service",
    "stopped_at_end", "write_file",
]

# The service has one core and the load another, so that neither waits for the other's.
SERVICE_CORE, LOAD_CORE = "0", "1"


def cpu_seconds(pid):
    """User and system time of a process, by its CPU clock, which counts nanoseconds."""
    # The clock's id as clock_getcpuclockid(3) makes it.
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid, field):
    """A line of /proc/PID/status in bytes: VmRSS, VmHWM (the peak) or RssAnon."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def mebibytes(pid, field):
    return memory(pid, field) / (1 << 20)


def require_tools(*names):
    for name in names:
        if not shutil.which(name):
            sys.exit(f"{name} is missing")


def start_service(*flags, tls=None, binary=RELEASE_BINARY, errors=subprocess.DEVNULL):
    """The service with one event loop, pinned to one core. Its log goes to `errors`."""
    return Service("--http-event-loops", "1", *flags, binary=binary, tls=tls, cores=SERVICE_CORE, errors=errors)


def write_file(root, path, body):
    """Write the file that a server with this root has at the path."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(body)


def start_nghttpd(folder, port, path, body, tls=None):
    """nghttpd with one file at the path, and one thread. Returns the program and its base URL."""
    write_file(folder / "nghttpd", path, body)
    how = [port, *tls] if tls else ["--no-tls", port]
    server = Program(["nghttpd", "-n", "1", "-d", folder / "nghttpd", *how], SERVICE_CORE)
    server.wait_for_port(port)
    return server, f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def start_nginx(folder, port, location, tls=None, *, http2=False, directives="", cores=SERVICE_CORE):
    """nginx with one worker and without an access log. Returns the program.

    `location` is what it serves, such as a root, and `directives` are more settings of all requests.
    """
    options = f"{' ssl' if tls else ''}{' http2' if http2 else ''} backlog=4096"
    if tls:
        location += f" ssl_certificate {tls[1]}; ssl_certificate_key {tls[0]}; ssl_protocols TLSv1.3;"
    temporary = " ".join(
        f"{kind}_temp_path {folder}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = folder / f"nginx-{port}.conf"
    configuration.write_text(
        f"daemon off; master_process off; worker_processes 1; error_log /dev/null; pid {folder}/nginx-{port}.pid;\n"
        "events { worker_connections 40000; }\n"
        f"http {{ access_log off; {temporary} {directives}\n"
        f"  server {{ listen 127.0.0.1:{port}{options}; {location} }} }}\n")
    server = Program(["nginx", "-c", configuration], cores)
    server.wait_for_port(port)
    return server


def load(url, headers, connections, streams, requests, *flags):
    """Run h2load, pinned to another core. Return the requests a second, the count of each status, and the cipher."""
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams), *flags,
         *headers, url], capture_output=True, text=True, check=True).stdout
    done = int(re.search(r"(\d+) done", output)[1])
    if done != requests or int(re.search(r"(\d+) errored", output)[1]):
        sys.exit(f"h2load did not finish cleanly against {url}:\n{output}")
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", output)[1])
    statuses = re.search(r"status codes: (.*)", output)[1]
    cipher = re.search(r"^Cipher: (\S+)", output, re.MULTILINE)
    return rate, statuses + (f"; {cipher[1]}" if cipher else "")


def percentiles(log):
    """Median and 99th percentile of the times in a log of h2load's, in microseconds."""
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    return times[len(times) // 2], times[len(times) * 99 // 100]


def measure(program, url, headers, connections, streams, requests, *flags):
    """CPU microseconds a request, requests a second, statuses, and percentiles of the time of a request.

    `flags` are more flags of h2load.
    """
    load(url, headers, connections, streams, max(1000, requests // 20), *flags)
    before = cpu_seconds(program.pid)
    rate, statuses = load(url, headers, connections, streams, requests, *flags)
    cpu = (cpu_seconds(program.pid) - before) / requests * 1e6
    with tempfile.TemporaryDirectory() as folder:
        # In a second run: writing the log costs h2load more than the request does.
        log = pathlib.Path(folder) / "times"
        load(url, headers, connections, streams, max(1000, requests // 10), f"--log-file={log}", *flags)
        return cpu, rate, statuses, percentiles(log)


def spread(values, digits=2):
    """The median of some figures, with the lowest and the highest."""
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least}-{most})"


class Priorities:
    """Prefixes of commands that give the clients their scheduling class.

    A reader keeps one core busy in bursts, and the service another. On a machine with two cores the lookups would then
    wait up to 3 ms for a core, and report that wait as the service's. So they run at real-time priority, and readers at
    idle priority, where the system permits that.
    """

    def __init__(self, plain=False):
        permitted = not plain and subprocess.run(
            ["chrt", "--fifo", "1", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        self.lookups = ["chrt", "--fifo", "1"] if permitted else []
        self.reader = ["chrt", "--idle", "0"] if permitted else []
        if not permitted:
            print("h2load has no real-time priority: the figures contain its waits for a core\n")


LOOKUP_CONNECTIONS, LOOKUPS_PER_SECOND = 4, 300


def lookup_times(service, seconds, priorities, cores=None):
    """Times of single cached lookups at a constant rate over four connections, in microseconds."""
    pinned = ["taskset", "-c", cores] if cores else []
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "times"
        subprocess.run(
            [*priorities.lookups, *pinned, "h2load", f"--duration={seconds}", f"--clients={LOOKUP_CONNECTIONS}",
             "--max-concurrent-streams=1", f"--rps={LOOKUPS_PER_SECOND / LOOKUP_CONNECTIONS}", f"--log-file={log}",
             *service.headers, service.account_url], capture_output=True, check=True)
        rows = [line.split("\t") for line in log.read_text().splitlines()]
    if any(row[1] != "200" for row in rows) or len(rows) < seconds * LOOKUPS_PER_SECOND * 0.8:
        sys.exit(f"{len(rows)} answers in {seconds} s, not all of them 200")
    return [int(row[2]) for row in rows]


def percentile(times, share):
    """A percentile of times in microseconds, in milliseconds."""
    return sorted(times)[int(len(times) * share)] / 1000


def run_scenarios(description, scenarios, limits, plan, measure):
    """Parse the options of a benchmark with scenarios, measure each, and print its figures.

    `limits` are the plans of Zoom, and `plan` is the default one. `measure` gets the options and a scenario.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=180, help="length of each scenario")
    parser.add_argument("--plan", choices=limits, default=plan)
    parser.add_argument("--only", choices=scenarios)
    parser.add_argument("--binary", default=str(RELEASE_BINARY))
    options = parser.parse_args()
    for scenario in [options.only] if options.only else scenarios:
        figures = measure(options, scenario)
        print(f"{options.plan:9} {scenario:8} "
              + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)
