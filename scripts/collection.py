#!/usr/bin/env python3
"""Make a Postman collection (format 2.1) from openapi.yaml. Bruno and others import it too.

    scripts/collection.py .build/billing-service.postman_collection.json

Set the variables `token`, `accountId` and `invoiceId` of the collection after the import.
"""
import http
import json
import pathlib
import sys

import contract

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
# HEAD has the answers of GET.
METHODS = ("get", "post", "put", "patch", "delete")
PROBES = "operations"
VARIABLES = {
    "base": ("http://127.0.0.1:8080", "Address of the service."),
    "operations": ("http://127.0.0.1:9090", "Address of the listener for operators."),
    "token": ("", "Token of the caller."),
    "accountId": ("", "A sub account."),
    "invoiceId": ("", "An invoice of the sub account."),
    "key": ("8e03978e-40d5-43e8-bc93-6894a57f9324", "Idempotency key of a change."),
}
# Optional parameters that a request of the collection has. Nothing is changed until the reader removes dry_run.
ENABLED = {"dry_run": "true", "idempotency-key": '"{{key}}"'}


class Collection:
    """Makes the parts of the collection from the contract."""

    def __init__(self, document):
        self.contract = document

    def resolved(self, node):
        return self.contract.follow(node["$ref"].removeprefix("#"))[0] if "$ref" in node else node

    def parameters(self, item, operation):
        """The parameters of an operation, where those of the operation replace those of its path."""
        listed = [self.resolved(one) for one in (*item.get("parameters", []), *operation.get("parameters", []))]
        return list({(one["in"], one["name"]): one for one in listed}.values())

    @staticmethod
    def entry(parameter):
        """A query parameter or header field. Optional ones are switched off."""
        name = parameter["name"]
        example = parameter.get("example", parameter["schema"].get("default", ""))
        value = ENABLED.get(name, str(example).lower() if isinstance(example, bool) else str(example))
        is_enabled = parameter.get("required", False) or name in ENABLED
        description = parameter.get("description", "")
        return {"key": name, "value": value, "description": description, "disabled": not is_enabled}

    @staticmethod
    def example(media):
        """The first example of a media type; None if there is none."""
        if "example" in media:
            return media["example"]
        return next((one["value"] for one in media.get("examples", {}).values()), None)

    @staticmethod
    def text(example):
        return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False, default=str)

    def request(self, path, method, item, operation):
        parameters = self.parameters(item, operation)
        query = [self.entry(one) for one in parameters if one["in"] == "query"]
        headers = [self.entry(one) for one in parameters if one["in"] == "header"]
        is_probe = PROBES in operation["tags"]
        host = "{{operations}}" if is_probe else "{{base}}"
        segments = path.replace("{", "{{").replace("}", "}}").strip("/").split("/")
        enabled = "&".join(f"{one['key']}={one['value']}" for one in query if not one["disabled"])
        made = {
            "method": method.upper(), "description": operation.get("description", ""), "header": headers,
            "url": {
                "raw": f"{host}/{'/'.join(segments)}{'?' if enabled else ''}{enabled}", "host": [host],
                "path": segments, "query": query}}
        body = self.resolved(operation.get("requestBody", {}))
        for kind, media in body.get("content", {}).items():
            headers.append({"key": "content-type", "value": kind})
            language = "json" if kind == "application/json" else "text"
            made["body"] = {
                "mode": "raw", "raw": self.text(self.example(media) or ""), "options": {"raw": {"language": language}}}
            break
        if is_probe or operation.get("security") == []:
            made["auth"] = {"type": "noauth"}
        return made

    def answers(self, operation, request):
        """The examples of the responses, one for each status and media type."""
        original = {"method": request["method"], "header": [], "url": request["url"]["raw"]}
        for status, node in operation["responses"].items():
            for kind, media in self.resolved(node).get("content", {}).items():
                example = self.example(media)
                if status.isdigit() and example is not None:
                    phrase = http.HTTPStatus(int(status)).phrase
                    yield {
                        "name": f"{status} {phrase}", "originalRequest": original, "status": phrase,
                        "code": int(status), "header": [{"key": "content-type", "value": kind}],
                        "body": self.text(example)}

    def document(self):
        info = self.contract.document["info"]
        folders = {tag["name"]: [] for tag in self.contract.document["tags"]}
        for path, item in self.contract.document["paths"].items():
            for method in METHODS:
                if operation := item.get(method):
                    request = self.request(path, method, item, operation)
                    folders[operation["tags"][0]].append({
                        "name": operation["summary"], "id": operation["operationId"], "request": request,
                        "response": list(self.answers(operation, request))})
        return {
            "info": {
                "name": info["title"], "description": info["summary"], "version": info["version"], "schema": SCHEMA},
            "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
            "variable": [
                {"key": key, "value": value, "type": "string", "description": description}
                for key, (value, description) in VARIABLES.items()],
            "item": [
                {"name": tag["name"], "description": tag.get("description", ""), "item": folders[tag["name"]]}
                for tag in self.contract.document["tags"] if folders[tag["name"]]]}


def main(output):
    document = Collection(contract.Contract()).document()
    path = pathlib.Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {sum(len(folder['item']) for folder in document['item'])} requests")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
