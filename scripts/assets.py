#!/usr/bin/env python3
"""Make the files that Sources/CAssets/built.c puts into the program: openapi.yaml as JSON, and the renderer of /api.

    scripts/assets.py

Redoc comes from the package drf-spectacular-sidecar, whose version scripts/requirements-assets.txt pins.
"""
import gzip
import importlib.util
import json
import os
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".build" / "assets"
# The compiler does not notice files that appear, so a change touches the source that embeds them.
SOURCE = ROOT / "Sources" / "CAssets" / "built.c"
# Redoc shows the logo of its makers from their server. The page of the service loads nothing from elsewhere.
LOGO, NO_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg", "data:,"


class Loader(yaml.SafeLoader):
    """Reads unquoted times as text, as readers of YAML 1.2 do."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def contract():
    document = yaml.load((ROOT / "openapi.yaml").read_text(encoding="utf-8"), Loader)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def renderer():
    # The package is one of Django's, which is not needed to read its files.
    package = pathlib.Path(importlib.util.find_spec("drf_spectacular_sidecar").origin).parent
    bundles = package / "static" / "drf_spectacular_sidecar" / "redoc" / "bundles"
    script = (bundles / "redoc.standalone.js").read_text(encoding="utf-8")
    licences = (bundles / "redoc.standalone.js.LICENSE.txt").read_text(encoding="utf-8")
    if script.count(LOGO) != 1:
        raise SystemExit(f"Redoc has {script.count(LOGO)} addresses of its logo: see how it loads it now")
    # The time is left out, so that the same files make the same program.
    return gzip.compress((licences + script.replace(LOGO, NO_LOGO)).encode(), compresslevel=9, mtime=0)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in (("openapi.json", contract()), ("redoc.js.gz", renderer())):
        path = FOLDER / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
            # The image's build makes the files before it copies the sources.
            if SOURCE.exists():
                os.utime(SOURCE)


if __name__ == "__main__":
    main()
