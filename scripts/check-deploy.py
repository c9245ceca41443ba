#!/usr/bin/env python3
"""Check deploy/: the tools accept the files, and the files match the service and the runbook.

    scripts/check-deploy.py --binary .build/debug/billing-service [--metrics FILE]

FILE is a replica's response to GET /metrics, to check the names of metrics. scripts/balancers.py tests the balancers;
of their files, only the one that compose.yaml uses is checked here.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
RUNBOOK = ROOT / "docs/runbook.md"
COMPOSE = DEPLOY / "compose/compose.yaml"
COMPOSE_SANDBOX = DEPLOY / "compose/sandbox.yaml"
PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"
PROMETHEUS_SANDBOX = DEPLOY / "prometheus/sandbox.yml"
PROVISIONING = DEPLOY / "grafana/provisioning"
ALERTS = DEPLOY / "prometheus/alerts.yaml"
ALERT_TESTS = DEPLOY / "prometheus/alerts.test.yaml"
DASHBOARD = DEPLOY / "grafana/billing-service.json"
FOLDERS = ("compose", "grafana", "kubernetes", "prometheus", "systemd")
BALANCERS = (DEPLOY / "haproxy/haproxy.cfg",)
KUSTOMIZATIONS = ("kubernetes/base", "kubernetes/overlays/redis", "kubernetes/overlays/sandbox")
SYSTEMD = DEPLOY / "systemd"
UNIT = SYSTEMD / "billing-service.service"
INSTALLED = "/usr/local/bin/billing-service"

# The oldest version with all fields that are used, and the newest with a schema.
KUBERNETES_VERSIONS = ("1.30", "1.37")
# systemd's exposure level, from 0 to 10. Up to 2 is "OK".
EXPOSURE_MAX = 2.0
SEVERITIES = ("critical", "warning")
TIMEOUT = 600
# Environment of the image; see Dockerfile.
IMAGE_ENVIRONMENT = {"BILLING_HTTP_HOST": "0.0.0.0", "BILLING_OPS_HOST": "0.0.0.0"}
# Secret settings have no flag.
VARIABLES_WITHOUT_FLAG = {"BILLING_CREDENTIALS_KEY"}
# Prometheus creates these itself.
PROMETHEUS_METRICS = {"up", "ALERTS"}
FAILURES = (
    AssertionError, AttributeError, KeyError, IndexError, OSError, TypeError, ValueError, subprocess.SubprocessError,
    yaml.YAMLError, kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError)


def require(condition, message):
    if not condition:
        raise AssertionError(message)


def tool(name, package):
    """The path of a program: beside this Python, where pip installs programs, or in PATH."""
    beside = pathlib.Path(sys.executable).parent / name
    path = str(beside) if beside.exists() else shutil.which(name)
    require(path, f"{name} is missing: install {package}")
    return path


def run(*command, environment=None):
    """Standard output and errors together."""
    result = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT,
        check=False, env={**os.environ, **(environment or {})})
    require(result.returncode == 0, f"exit code {result.returncode}: {result.stdout.strip()}")
    return result.stdout


def load(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def files():
    return sorted(path for folder in FOLDERS for path in (DEPLOY / folder).rglob("*") if path.is_file())


def seconds(text):
    """Seconds of a duration such as `1m30s`, as in Compose, systemd and the service's settings."""
    parts = re.findall(r"(\d+)(ms|s|min|m|h|d)", text)
    require(parts and "".join(map("".join, parts)) == text, f"{text} is not a duration")
    return sum(int(number) * {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}[unit]
               for number, unit in parts)


def size(text):
    """Bytes of a size such as `1Gi` or `1G`, in powers of two. Kubernetes' own G and M differ and are not used."""
    number, unit = re.fullmatch(r"(\d+)([KMG]?)i?B?", text).groups()
    return int(number) * 1024 ** " KMG".index(unit or " ")


def check_share(settings, replicas):
    """Replicas without a shared Redis have a part of the rate each."""
    share = float(settings["zoom.rate-share"])
    parts = 1 if settings["state.url"] else replicas
    require(parts * share <= 1, f"{replicas} replicas with a share of {share} exceed Zoom's rate")


class Binary:
    """The commands, flags and settings of the service."""

    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        self.flags = {}
        self.learn(())
        self.variables = VARIABLES_WITHOUT_FLAG | {
            "BILLING_" + flag.removeprefix("--").upper().replace("-", "_")
            for flags in self.flags.values() for flag in flags}

    def learn(self, command):
        help_text = run(self.path, *command, "--help")
        self.flags[command] = set(re.findall(r"^ {2}(?:-\w, )?(--[a-z-]+)", help_text, re.M))
        _, _, listed = help_text.partition("SUBCOMMANDS:\n")
        for name in re.findall(r"^ {2}([a-z][a-z-]*)", listed, re.M):
            self.learn((*command, name))

    def check(self, words):
        """Checks a command line without the program's name."""
        words = [word.partition("=")[0] for word in words]
        names = tuple(itertools.takewhile(lambda word: re.fullmatch("[a-z][a-z-]*", word), words))
        command = next((names[:count] for count in range(len(names), 0, -1) if names[:count] in self.flags), None)
        require(command, f"there is no command {' '.join(names)}")
        unknown = {word for word in words if word.startswith("--")} - self.flags[command]
        require(not unknown, f"{' '.join(command)} has no {', '.join(sorted(unknown))}")

    def settings(self, command, arguments, environment):
        """The resulting settings by name. Raises if a value is wrong."""
        text = run(self.path, command, *arguments, "--print-config", environment={**IMAGE_ENVIRONMENT, **environment})
        return dict(re.findall(r"^([a-z.-]+) = (.*)$", text, re.M))


# MARK: Kubernetes


class Manifests:
    """The objects of a kustomization."""

    def __init__(self, folder):
        self.folder = DEPLOY / folder
        kubectl = tool("kubectl", "the packages of scripts/requirements.txt")
        self.objects = [one for one in yaml.safe_load_all(run(kubectl, "kustomize", self.folder)) if one]

    def one(self, kind, name="billing-service"):
        found = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
        require(len(found) == 1, f"{len(found)} objects {kind}/{name}")
        return found[0]

    def settings_file(self):
        return next(one["data"]["settings.json"] for one in self.objects if one["kind"] == "ConfigMap")

    def validate(self):
        for one in self.objects:
            for version in KUBERNETES_VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)

    def check_service(self, binary):
        """The service accepts the settings, and has enough time for its shutdown."""
        pod = self.one("Deployment")["spec"]["template"]["spec"]
        container = pod["containers"][0]
        arguments = container["args"]
        binary.check(arguments)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(self.settings_file())
            file.flush()
            mounted = "/etc/billing-service/settings.json"
            arguments = [file.name if word == mounted else word for word in arguments]
            require(file.name in arguments, f"{mounted} is not read")
            environment = {one["name"]: one["value"] for one in container.get("env", [])}
            settings = binary.settings(arguments[0], arguments[1:], environment)
        needed = seconds(settings["shutdown.delay"]) + seconds(settings["shutdown.grace"])
        require(pod["terminationGracePeriodSeconds"] > needed, f"shutdown needs more time: {needed} s")
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        require(ports["http"] == int(settings["http.port"]), "the service listens on another port than http")
        require(ports["ops"] == int(settings["ops.port"]), "the service listens on another port than ops")
        for key in ("credentials.file", "callers.file"):
            path = settings[key]
            mounts = [one["mountPath"] for one in container["volumeMounts"] if "subPath" not in one]
            require(not path or any(path.startswith(mount + "/") for mount in mounts), f"{key} is in no mount")
        require(settings["allow-shared-file"] == "true", "a group can read Secrets, so allow-shared-file must be true")
        if settings["sandbox"] == "false":
            check_share(settings, self.one("HorizontalPodAutoscaler")["spec"]["maxReplicas"])
        limit = size(container["resources"]["limits"]["memory"])
        require(limit == alerted_memory_limit(), "billing:memory_limit_bytes is another limit")

    def check_hardening(self):
        pod = self.one("Deployment")["spec"]["template"]["spec"]
        require(pod["automountServiceAccountToken"] is False, "the pod gets a Kubernetes token")
        account = self.one("ServiceAccount")
        require(account["automountServiceAccountToken"] is False, "pods with this account get a Kubernetes token")
        require(pod["enableServiceLinks"] is False, "names of Services become BILLING_ variables")
        context = pod["securityContext"]
        require(context["runAsNonRoot"] and context["runAsUser"] == 65532, "it does not run as user 65532")
        require(context["seccompProfile"]["type"] == "RuntimeDefault", "system calls are not restricted")
        for container in pod["containers"] + pod.get("initContainers", []):
            context = container["securityContext"]
            require(context["readOnlyRootFilesystem"] is True, "the root file system is writable")
            require(context["allowPrivilegeEscalation"] is False, "privilege escalation is allowed")
            require(context["capabilities"] == {"drop": ["ALL"]}, "there are capabilities")
            require({"requests", "limits"} <= container["resources"].keys(), "there are no limits")
            probes = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
            require(all(probe["port"] == "ops" for probe in probes.values()), "a probe uses another port than ops")
            require(probes["readinessProbe"]["path"] == "/readyz", "the readiness probe is not /readyz")
            require(probes["livenessProbe"]["path"] == "/livez", "the liveness probe is not /livez")
        strategy = self.one("Deployment")["spec"]["strategy"]["rollingUpdate"]
        require(strategy["maxUnavailable"] == 0, "a rollout removes replicas before it adds others")

    def check_references(self):
        """Labels, ports and names agree in all objects."""
        template = self.one("Deployment")["spec"]["template"]
        labels, ports = template["metadata"]["labels"], template["spec"]["containers"][0]["ports"]
        selectors = [self.one("Deployment")["spec"]["selector"]["matchLabels"]]
        selectors += [self.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]]
        selectors += [self.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]]
        selectors += [one["labelSelector"]["matchLabels"] for one in template["spec"]["topologySpreadConstraints"]]
        names = {one["name"] for one in ports}
        of_redis = {"app.kubernetes.io/name": "redis"}
        for service in (one for one in self.objects if one["kind"] == "Service"):
            if service["spec"]["selector"] == of_redis:
                continue
            selectors.append(service["spec"]["selector"])
            targets = {one["targetPort"] for one in service["spec"]["ports"]}
            require(targets <= names, f"{service['metadata']['name']} has target ports that do not exist")
        is_matched = all(selector and selector.items() <= labels.items() for selector in selectors)
        require(is_matched, "a selector does not match the pods")
        target = self.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
        is_named = (target["kind"], target["name"]) == ("Deployment", "billing-service")
        require(is_named, "the autoscaler does not name the Deployment")
        admitted = {port["port"] for rule in self.one("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
        require(admitted == {one["containerPort"] for one in ports}, "the policy admits ports that the container lacks")
        h2c = [one for one in self.one("Service")["spec"]["ports"] if one["name"] == "http"]
        require(h2c[0]["appProtocol"] == "kubernetes.io/h2c", "appProtocol is not kubernetes.io/h2c")
        mounted = {one["name"] for one in template["spec"]["containers"][0]["volumeMounts"]}
        require(mounted == {one["name"] for one in template["spec"]["volumes"]}, "volumes and mounts differ")


# MARK: Compose


def compose_replicas(document):
    return {name: one for name, one in document["services"].items() if re.fullmatch(r"billing-\d+", name)}


def compose_environment(service):
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def check_compose_schema(path):
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path)


def check_compose_hardening(path):
    document = load(path)
    for name, service in document["services"].items():
        require(service["read_only"] is True, f"the root file system of {name} is writable")
        require(service["cap_drop"] == ["ALL"] and "cap_add" not in service, f"{name} has capabilities")
        require("no-new-privileges:true" in service["security_opt"], f"{name} may escalate its privileges")
        require(int(service["user"].partition(":")[0]) > 0, f"{name} is root")
        require({"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys(), f"{name} has no limits")
        require("healthcheck" in service, f"{name} has no health check")
        published = [] if name == "haproxy" else service.get("ports", [])
        is_local = all(port.startswith("127.0.0.1:") for port in published)
        require(is_local, f"{name} publishes ports to other machines")
        secret = re.compile("(PASSWORD|SECRET)(?!_FILE)")
        passwords = [key for key in service.get("environment", {}) if secret.search(key)]
        require(not passwords, f"{name} has {', '.join(passwords)}")
        if service["image"] == "billing-service":
            require(service["user"] == "65532:65532", f"{name} has another user than its image")
            test = service["healthcheck"].get("test", ["CMD"])
            require(test[0] == "CMD", f"the health check of {name} needs a shell")
    if path == COMPOSE:
        networks = document["networks"]
        require(networks["inside"]["internal"] and networks["zoom"]["internal"], "a network is not internal")


def check_compose_commands(binary, path):
    document = load(path)
    for name, service in document["services"].items():
        if service["image"] != "billing-service":
            continue
        test = service["healthcheck"].get("test")
        if test:
            require(test[1] == INSTALLED, f"the health check of {name} runs {test[1]}")
            binary.check(test[2:])
        words = service.get("entrypoint", [INSTALLED])[1:] + service.get("command", ["serve"])
        binary.check(words)
        if words[0] in ("sandbox", "serve"):
            binary.settings(words[0], words[1:], compose_environment(service))


def check_compose_service(binary):
    document = load(COMPOSE)
    replicas = compose_replicas(document)
    require(len(replicas) == 3, f"{len(replicas)} replicas")
    for service in replicas.values():
        settings = binary.settings("serve", [], compose_environment(service))
        needed = seconds(settings["shutdown.delay"]) + seconds(settings["shutdown.grace"])
        require(seconds(service["stop_grace_period"]) > needed, f"shutdown needs more time: {needed} s")
        check_share(settings, len(replicas))
        limit = size(service["deploy"]["resources"]["limits"]["memory"])
        require(limit == alerted_memory_limit(), "billing:memory_limit_bytes is another limit")
        balancer = document["services"]["haproxy"]["networks"]["inside"]["ipv4_address"]
        require(settings["http.trusted-proxies"] == balancer, "http.trusted-proxies does not have the balancer")


def scraped(path):
    return {
        target for job in load(path)["scrape_configs"] if job["job_name"] == "billing-service"
        for config in job["static_configs"] for target in config["targets"]}


def check_compose_names():
    """Files exist, and Prometheus and HAProxy name the same replicas."""
    made = (COMPOSE.parent / "callers", COMPOSE.parent / "secrets")  # The commands at the top create them.
    for path in (COMPOSE, COMPOSE_SANDBOX):
        for name, service in load(path)["services"].items():
            for volume in service.get("volumes", []):
                if volume["type"] == "bind":
                    source = (COMPOSE.parent / volume["source"]).resolve()
                    require(source in made or source.exists(), f"{name}: {volume['source']} does not exist")
    document = load(COMPOSE)
    replicas = {f"{name}:9090" for name in compose_replicas(document)}
    require(scraped(PROMETHEUS) == replicas, "Prometheus scrapes other replicas")
    require(scraped(PROMETHEUS_SANDBOX) == {"billing:9090"}, "Prometheus scrapes another service than billing")
    command = load(COMPOSE_SANDBOX)["services"]["prometheus"]["command"]
    require(f"--config.file=/etc/prometheus/{PROMETHEUS_SANDBOX.name}" in command, "Prometheus reads another file")
    balanced = re.findall(r"^ *presetenv REPLICA_\d+ (\S+)", (DEPLOY / "haproxy/haproxy.cfg").read_text(), re.M)
    require(set(balanced) == set(compose_replicas(document)), "HAProxy names other replicas")


def check_provisioning(path):
    """Grafana finds its data source, and the dashboard with the identifier in the comments."""
    document = load(path)
    grafana = document["services"]["grafana"]
    mounts = {volume["target"]: volume["source"] for volume in grafana["volumes"]}
    require((COMPOSE.parent / mounts["/etc/grafana/provisioning"]).resolve() == PROVISIONING, "no provisioning")
    source = load(PROVISIONING / "datasources/prometheus.yaml")["datasources"][0]
    port = next((word for word in document["services"]["prometheus"]["command"] if "listen" in word), "9090")
    require(source["type"] == "prometheus" and source["isDefault"], "Prometheus is not the default data source")
    require(source["url"] == f"http://prometheus:{port}", "the data source is elsewhere")
    interval = load(PROMETHEUS)["global"]["scrape_interval"]
    require(source["jsonData"]["timeInterval"] == interval, "the data source has another interval than Prometheus")
    folder = load(PROVISIONING / "dashboards/billing-service.yaml")["providers"][0]["options"]["path"]
    found = [source for target, source in mounts.items() if target.startswith(folder + "/")]
    require([(COMPOSE.parent / one).resolve() for one in found] == [DASHBOARD], "the dashboard is not mounted")
    uid = load(DASHBOARD)["uid"]
    require(f"http://localhost:3000/d/{uid}" in path.read_text(encoding="utf-8"), "the comment has no link")
    networks = [set(document["services"][name].get("networks", ["default"])) for name in ("grafana", "prometheus")]
    require(networks[0] & networks[1], "Grafana cannot reach Prometheus")


def check_haproxy(path):
    """Checks the file with a certificate of its own, since names and certificates do not exist here."""
    with tempfile.TemporaryDirectory() as folder:
        pem, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
        run(tool("openssl", "the Debian package openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", pem)
        with open(pem, "a", encoding="ascii") as file:
            file.write(pathlib.Path(key).read_text(encoding="ascii"))
        haproxy = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        require(haproxy, "haproxy is missing: install the Debian package haproxy")
        run(haproxy, "-c", "-f", path, environment={"CERTIFICATE": pem, "STATS_SOCKET": f"{folder}/admin.sock"})


# MARK: systemd


def unit_values(key):
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.M)


def unit_elsewhere(folder, binary):
    """A copy of the unit with a program that exists."""
    path = pathlib.Path(folder) / UNIT.name
    path.write_text(UNIT.read_text(encoding="utf-8").replace(INSTALLED, str(binary.path)), encoding="utf-8")
    return path


def check_unit(binary):
    with tempfile.TemporaryDirectory() as folder:
        path = unit_elsewhere(folder, binary)
        said = run(tool("systemd-analyze", "the Debian package systemd"), "verify", "--man=no", path)
    # It also prints messages about units of this machine.
    lines = [line for line in said.splitlines() if "billing-service" in line]
    require(not lines, "\n".join(lines))


def check_unit_security(binary):
    with tempfile.TemporaryDirectory() as folder:
        path = unit_elsewhere(folder, binary)
        said = run(
            tool("systemd-analyze", "the Debian package systemd"), "security", "--offline=true", "--no-pager", path)
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said).group(1))
    require(exposure < EXPOSURE_MAX, f"an exposure of {exposure}:\n{said}")


def check_unit_service(binary):
    words = unit_values("ExecStart")[0].split()
    require(words[0] == INSTALLED, f"{words[0]} is not the documented path")
    binary.check(words[1:])
    environment = dict(
        word.split("=", 1) for line in unit_values("Environment") for word in shlex.split(line))
    settings = binary.settings(words[1], words[2:], environment)
    needed = seconds(settings["shutdown.delay"]) + seconds(settings["shutdown.grace"])
    require(seconds(unit_values("TimeoutStopSec")[0]) > needed, f"shutdown needs more time: {needed} s")
    require(size(unit_values("MemoryMax")[0]) == alerted_memory_limit(), "billing:memory_limit_bytes is another limit")
    require(unit_values("Type") == ["notify"] and unit_values("WatchdogSec"), "Type=notify or the watchdog is missing")


def check_unit_files():
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "etc").mkdir()
        run(tool("systemd-sysusers", "the Debian package systemd"), f"--root={folder}",
            SYSTEMD / "billing-service.sysusers.conf")
        users = (pathlib.Path(folder) / "etc/passwd").read_text(encoding="utf-8")
        require(f"\n{unit_values('User')[0]}:" in "\n" + users, "sysusers.d does not create the user of the unit")


# MARK: Prometheus and Grafana


def rules():
    return [rule for group in load(ALERTS)["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def alerted_memory_limit():
    expression = next(rule["expr"] for rule in rules() if rule.get("record") == "billing:memory_limit_bytes")
    return int(re.fullmatch(r"vector\((\d+)\)", expression).group(1))


def promtool(*arguments):
    return run(tool("promtool", "the Debian package prometheus"), *arguments)


def check_alert(name, rule):
    require(re.fullmatch("Billing[A-Za-z0-9]+", name), "the name does not begin with Billing")
    require(rule["labels"]["severity"] in SEVERITIES, f"the severity is not one of {', '.join(SEVERITIES)}")
    annotations = rule["annotations"]
    require(set(annotations) == {"summary", "description", "runbook_url"}, "there are other annotations")
    require(annotations["runbook_url"] == f"docs/runbook.md#{name.lower()}", "runbook_url does not name its section")
    tests = [case for test in load(ALERT_TESTS)["tests"] for case in test["alert_rule_test"]]
    cases = [case for case in tests if case["alertname"] == name]
    require(any(case["exp_alerts"] for case in cases), "no case in which it fires")
    require(any(not case["exp_alerts"] for case in cases), "no case in which it does not")
    sections = runbook_sections()
    require(name in sections, "no section in docs/runbook.md")
    for part in ("**Look.**", "**Causes.**", "**Do.**"):
        require(part in sections[name], f"its section has no {part}")
    look = sections[name].partition("**Look.**")[2].partition("**Causes.**")[0]
    require(re.search(r"\b(curl|metrics|logs|kubectl|billing-service) ", look), "its section has no command under Look")


def runbook_sections():
    parts = re.split(r"^## (Billing\w+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def check_runbook():
    unknown = runbook_sections().keys() - alerts().keys()
    require(not unknown, f"sections without an alert: {', '.join(sorted(unknown))}")


def everything_called(key, node, kind=str):
    """Values of all members with that name and type, at any depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key and isinstance(value, kind):
                yield value
            yield from everything_called(key, value, kind)
    elif isinstance(node, list):
        for value in node:
            yield from everything_called(key, value, kind)


def without_variables(expression):
    """A Grafana expression as PromQL, without variables."""
    expression = re.sub(r"\$__(rate_)?interval|\$__range", "5m", expression)
    return re.sub(r"\$\{?\w+\}?", ".*", expression)


def label_values(definition):
    """The selector of a variable of Grafana."""
    return re.fullmatch(r"label_values\((.*), \w+\)", definition).group(1)


def dashboard_expressions():
    document = load(DASHBOARD)
    for expression in everything_called("expr", document):
        yield without_variables(expression)
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            yield label_values(variable["definition"])


def check_dashboard_expressions():
    listed = [{"record": f"dashboard:{number}", "expr": expression}
              for number, expression in enumerate(dashboard_expressions())]
    require(listed, "there are no expressions")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": listed}]}, file)
        file.flush()
        promtool("check", "rules", file.name)


def check_dashboard():
    document = load(DASHBOARD)
    panels = document["panels"]
    require(len({panel["id"] for panel in panels}) == len(panels), "two panels have one id")
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        require(place["x"] + place["w"] <= 24, f"{panel['title']} is wider than the dashboard")
        for cell in itertools.product(range(place["x"], place["x"] + place["w"]),
                                      range(place["y"], place["y"] + place["h"])):
            require(cell not in taken, f"{panel['title']} overlaps {taken.get(cell)}")
            taken[cell] = panel["title"]
        if panel["type"] != "row":
            require(panel["targets"] and panel["datasource"], f"{panel['title']} is empty")
    sources = {json.dumps(source) for source in everything_called("datasource", document, dict)}
    require(sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}, "there are other data sources")
    names = {variable["name"] for variable in document["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", " ".join(everything_called("expr", document))))
    require(used <= names, f"unknown variables: {', '.join(sorted(used - names))}")
    require({"datasource", "instance", "master"} <= names, "variables are missing")


def metric_names(expression):
    """The metrics in a PromQL expression: words that are not labels, functions or keywords."""
    expression = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    expression = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", expression)
    expression = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expression)
    words = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", expression)
    return set(words) - {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"}


def exposed_names(path):
    """The names of metrics in a response of /metrics."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", path.read_text(encoding="utf-8"), re.M):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    require(names, f"{path} has no metrics")
    return names


def check_metric_names(path, expressions):
    known = exposed_names(path) | PROMETHEUS_METRICS | {rule["record"] for rule in rules() if "record" in rule}
    unknown = {name for expression in expressions for name in metric_names(expression)} - known
    require(not unknown, f"the service has no {', '.join(sorted(unknown))}")


def check_runbook_metrics(path):
    """Checks the prefixes of names in grep commands."""
    known = exposed_names(path)
    beginnings = re.findall(r"grep '\^([a-z_]+)", RUNBOOK.read_text(encoding="utf-8"))
    unknown = [one for one in beginnings if not any(name.startswith(one) for name in known)]
    require(not unknown, f"the service has no {', '.join(unknown)}")


# MARK: All files


def check_syntax(path):
    if path.suffix == ".json":
        load(path)
    else:
        require(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))), "it is empty")


def check_variables(binary, path):
    used = set(re.findall(r"\bBILLING_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    unknown = used - binary.variables
    require(not unknown, f"the service has no {', '.join(sorted(unknown))}")


def check_written_commands(binary, path):
    """Checks commands in comments and in code blocks."""
    text = re.sub(r"\\\n\s*#?", " ", path.read_text(encoding="utf-8"))
    for words in re.findall(r"\bbilling-service ((?:[a-z]+ )+--[^\n)|<`]*)", text):
        binary.check(words.split())


def check_lines(path):
    """Checks the line length, except in JSON, where strings cannot be broken."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        require(len(line) <= 120 or path.suffix == ".json", f"line {number} is longer than 120 characters")
        require(line == line.rstrip(), f"line {number} ends in blanks")


def cases(binary, metrics):
    for path in (*files(), RUNBOOK):
        name = path.relative_to(ROOT)
        if path.suffix in (".yaml", ".yml", ".json"):
            yield f"{name} parses", lambda p=path: check_syntax(p)
        yield f"{name} names variables that exist", lambda p=path: check_variables(binary, p)
        yield f"{name} has commands that exist", lambda p=path: check_written_commands(binary, p)
        yield f"{name} has lines of at most 120 characters", lambda p=path: check_lines(p)
    for folder in KUSTOMIZATIONS:
        name = f"deploy/{folder}"
        yield f"{name} is valid for Kubernetes", lambda f=folder: Manifests(f).validate()
        yield f"{name} is hardened", lambda f=folder: Manifests(f).check_hardening()
        yield f"{name} is consistent", lambda f=folder: Manifests(f).check_references()
        yield f"{name} is valid for the service", lambda f=folder: Manifests(f).check_service(binary)
    for path in (COMPOSE, COMPOSE_SANDBOX):
        yield f"{path.name} is valid for Compose", lambda p=path: check_compose_schema(p)
        yield f"{path.name} is hardened", lambda p=path: check_compose_hardening(p)
        yield f"{path.name} has commands and settings that exist", lambda p=path: check_compose_commands(binary, p)
        yield f"{path.name} provisions Grafana", lambda p=path: check_provisioning(p)
    yield "compose.yaml is valid for the service", lambda: check_compose_service(binary)
    yield "compose.yaml names files and replicas that exist", check_compose_names
    for path in BALANCERS:
        yield f"{path.relative_to(ROOT)} is valid for HAProxy", lambda p=path: check_haproxy(p)
    yield "the unit is valid for systemd", lambda: check_unit(binary)
    yield "the unit is hardened", lambda: check_unit_security(binary)
    yield "the unit is valid for the service", lambda: check_unit_service(binary)
    yield "sysusers.d creates the user of the unit", check_unit_files
    for path in (PROMETHEUS, PROMETHEUS_SANDBOX):
        yield f"{path.name} is valid for Prometheus", lambda p=path: promtool("check", "config", p)
    yield "alerts.yaml is valid for Prometheus", lambda: promtool("check", "rules", "--lint-fatal", ALERTS)
    yield "alerts.test.yaml passes", lambda: promtool("test", "rules", ALERT_TESTS)
    for name, rule in alerts().items():
        yield f"{name} is documented and tested", lambda n=name, r=rule: check_alert(n, r)
    yield "docs/runbook.md has only alerts that exist", check_runbook
    yield "the dashboard is consistent", check_dashboard
    yield "the dashboard's expressions are PromQL", check_dashboard_expressions
    if metrics:
        yield "alerts.yaml uses metrics that exist", lambda: check_metric_names(
            metrics, (rule["expr"] for rule in rules()))
        yield "the dashboard uses metrics that exist", lambda: check_metric_names(
            metrics, dashboard_expressions())
        yield "docs/runbook.md uses metrics that exist", lambda: check_runbook_metrics(metrics)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--binary", required=True, help="path of billing-service")
    parser.add_argument("--metrics", type=pathlib.Path, help="a file with a replica's response to GET /metrics")
    arguments = parser.parse_args()
    passed = failed = 0
    for name, check in cases(Binary(arguments.binary), arguments.metrics):
        try:
            check()
            passed += 1
            print(f"ok - {name}", flush=True)
        except FAILURES as error:
            failed += 1
            text = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
            print(f"not ok - {name}: {text}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
