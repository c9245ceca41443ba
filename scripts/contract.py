"""openapi.yaml, and checks of a response against it."""
import json
import pathlib
import re
import subprocess

import jsonschema
import referencing
import referencing.exceptions
import referencing.jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "openapi.yaml"
BASE = "urn:openapi"
LINES = ("application/x-ndjson", "application/jsonl")
PROBLEM = "application/problem+json"
LINE = "/components/schemas/StreamLine"
METHODS = ("get", "head", "post", "put", "patch", "delete")
MESSAGE_LINES = 40
FAILURES = (
    AssertionError, KeyError, ValueError, jsonschema.ValidationError, referencing.exceptions.Unresolvable,
    subprocess.SubprocessError)


class UniqueKeys(yaml.SafeLoader):
    """Refuses repeated keys, which other readers of YAML refuse as well."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        require(len(set(keys)) == len(keys), f"repeated keys: {keys}")
        return super().construct_mapping(node, deep)


class Contract:
    """The document. Places in it are named by JSON pointers."""

    def __init__(self, path=DOCUMENT):
        self.document = yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)
        resource = referencing.Resource(self.document, referencing.jsonschema.DRAFT202012)
        self.registry = referencing.Registry().with_resource(BASE, resource)

    def follow(self, pointer):
        """The value at a pointer and its own pointer. References are followed."""
        node = self.document
        for escaped_part in pointer.split("/")[1:]:
            part = escaped_part.replace("~1", "/").replace("~0", "~")
            require(part in node, f"{pointer} is not described")
            node = node[part]
        if isinstance(node, dict) and "$ref" in node:
            return self.follow(node["$ref"].removeprefix("#"))
        return node, pointer

    def validate(self, instance, pointer):
        """Raises jsonschema.ValidationError unless `instance` is valid by the schema at `pointer`."""
        jsonschema.Draft202012Validator(
            {"$ref": f"{BASE}#{pointer}"}, registry=self.registry, format_checker=jsonschema.FormatChecker()
        ).validate(instance)

    def validate_lines(self, body):
        """Raises an error unless `body` consists of lines, each valid by the schema of a line."""
        require(not body or body.endswith("\n"), "the last line is not ended")
        require(body.splitlines() == body.split("\n")[:-1], "a line end is inside a line")
        for line in body.split("\n")[:-1]:
            self.validate(json.loads(line), LINE)

    def validate_body(self, body, kind, pointer):
        """`pointer` is that of a media type."""
        if kind in LINES:
            self.validate_lines(body)
        else:
            is_json = kind.endswith("json") and isinstance(body, str)
            self.validate(json.loads(body) if is_json else body, pointer + "/schema")

    def examples(self):
        """Every example, as (place, check). A response without an example fails."""
        for name, response in self.document["components"]["responses"].items():
            for kind, media in response.get("content", {}).items():
                pointer = f"/components/responses/{name}/content/{escaped(kind)}"
                values = [example["value"] for example in media.get("examples", {}).values()]
                values += [media["example"]] if "example" in media else []
                if not values:
                    yield f"{name} {kind}", lambda: require(False, "there is no example")
                for value in values:
                    yield f"{name} {kind}", lambda v=value, k=kind, p=pointer: self.validate_body(v, k, p)
        for name, schema in self.document["components"]["schemas"].items():
            for value in schema.get("examples", []):
                yield name, lambda v=value, p=f"/components/schemas/{name}": self.validate(v, p)

    def documented(self):
        """Every (path, method, status) of an operation. HEAD has the statuses of GET."""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                for status in item.get(method, {}).get("responses", {}):
                    if status.endswith("XX"):
                        of_get = item["get"]["responses"]
                        yield from ((path, method.upper(), int(other)) for other in of_get if other[0] == status[0])
                    else:
                        yield path, method.upper(), int(status)

    def outside_operations(self):
        """The names of the responses that no operation names, such as those to unknown methods and paths."""
        used = {
            response.get("$ref", "").rpartition("/")[2] for item in self.document["paths"].values()
            for method in METHODS for response in item.get(method, {}).get("responses", {}).values()}
        return [name for name in self.document["components"]["responses"] if name not in used]

    def parameters(self):
        """The parameters of all operations, such as `path.accountId`."""
        found = set()
        for item in self.document["paths"].values():
            for holder in (item, *(item.get(method, {}) for method in METHODS)):
                for described in holder.get("parameters", []):
                    is_named = "$ref" in described
                    parameter = self.follow(described["$ref"].removeprefix("#"))[0] if is_named else described
                    found.add(f"{parameter['in']}.{parameter['name']}")
        return found

    def problems(self):
        """The names of the problem types in the table of the description."""
        return re.findall(r"^\| \d+ +\| \d+ +\| \[`([a-z-]+)`\]", self.document["info"]["description"], re.MULTILINE)

    def response(self, place, method, status):
        """The response and its pointer. `place` is a path, or the name of a response outside any operation."""
        if place not in self.document["paths"]:
            return self.follow(f"/components/responses/{place}")
        responses = self.document["paths"][place][method.lower()]["responses"]
        key = str(status) if str(status) in responses else f"{status // 100}XX"
        return self.follow(f"/paths/{escaped(place)}/{method.lower()}/responses/{key}")

    def check_answer(self, place, method, status, answer):
        """Check the status, media type, header fields and body that `answer` consists of."""
        actual, fields, body = answer
        require(actual == status, f"status {actual} instead of {status}: {body[:300]}")
        response, pointer = self.response(place, method, status)
        self.check_fields(response, pointer, fields)
        # The response to HEAD has the header fields of the response to GET (RFC 9110, 9.3.2).
        is_head = method == "HEAD" and place in self.document["paths"]
        if is_head:
            response, pointer = self.response(place, "GET", status)
            self.check_fields(response, pointer, fields)
        kind = fields.get("content-type", "").partition(";")[0]
        require(kind in response.get("content", [""]), f"content type {kind} is not described")
        if method == "HEAD" or not kind:
            require(not body, f"a body for {method}")
        else:
            self.validate_body(body, kind, f"{pointer}/content/{escaped(kind)}")

    def check_fields(self, response, pointer, fields):
        """Check that every header field is described, and that every required one is there."""
        for name in fields:
            known = name in response["headers"] or name in ("content-type", "content-length", "connection")
            require(known, f"{name} is not described")
        for name in response["headers"]:
            header, place = self.follow(f"{pointer}/headers/{name}")
            require(name in fields or not header.get("required"), f"header field {name} is missing")
            if name in fields:
                read = int if header["schema"].get("type") == "integer" else str
                self.validate(read(fields[name]), f"{place}/schema")


def escaped(text):
    return text.replace("~", "~0").replace("/", "~1")


def require(condition, message):
    if not condition:
        raise AssertionError(message)


class Results:
    """Counts checks, and prints a line for each."""

    def __init__(self, name):
        self.name = name
        self.counts = {"ok": 0, "FAILED": 0}

    def run(self, name, check):
        """Returns the result of the check; `None` if it fails."""
        result = None
        try:
            result = check()
            verdict, reason = "ok", ""
        except FAILURES as error:
            # All lines: what a program printed last says more than what it printed first.
            lines = (str(error) or type(error).__name__).splitlines()
            verdict, reason = "FAILED", ": " + "\n        ".join(lines[:MESSAGE_LINES])
        self.counts[verdict] += 1
        print(f"{verdict:7} {name}{reason}", flush=True)
        return result

    def exit_code(self):
        print(f"{self.name}: {self.counts['ok']} passed, {self.counts['FAILED']} failed")
        return 1 if self.counts["FAILED"] else 0
