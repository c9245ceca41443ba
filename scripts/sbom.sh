#!/bin/sh
# Prints the SBOM of the image as SPDX 2.3 in JSON: the Debian packages of its root with their exact revisions, the
# resolved Swift packages, the toolchain, whose libraries are linked into the binary, and the package with Redoc.
#
#     scripts/sbom.sh VERSION CREATED ROOT
#
# Run it where the packages were resolved. ROOT is the file system of the image, with /var/lib/dpkg/status.d. Needs jq.
set -eu
version=$1
created=$2
root=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An image without a package manager has one file for each package. dpkg-query reads one file.
: > "$work/status"
for package in "$root"/var/lib/dpkg/status.d/*; do
    cat "$package" >> "$work/status"
    echo >> "$work/status"
done
mkdir "$work/updates" "$work/info"
dpkg-query --admindir "$work" --show \
    --showformat '${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' > "$work/debian"
# shellcheck source=/dev/null
release=$(. "$root/etc/os-release" && echo "$ID-$VERSION_ID")

swift package show-dependencies --format json > "$work/swift.json"
swift -print-target-info > "$work/toolchain.json"

# Inside of the program: see Sources/CAssets/built.c.
redoc=$(sed -n 's/^drf-spectacular-sidecar==//p' scripts/requirements-assets.txt)

jq --null-input --arg redoc "$redoc" --arg version "$version" --arg created "$created" --arg release "$release" \
    --rawfile debian "$work/debian" --slurpfile swift "$work/swift.json" --slurpfile resolved Package.resolved \
    --slurpfile toolchain "$work/toolchain.json" '
def package($prefix; $name; $version; $purl): {
    SPDXID: "SPDXRef-\($prefix)-\($name | gsub("[^A-Za-z0-9.-]"; "-"))",
    name: $name, versionInfo: $version, downloadLocation: "NOASSERTION", filesAnalyzed: false,
    licenseConcluded: "NOASSERTION", licenseDeclared: "NOASSERTION", copyrightText: "NOASSERTION",
    externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: $purl}]
};
def related($whole; $how; $part):
    {spdxElementId: $whole, relationshipType: $how, relatedSpdxElement: $part.SPDXID};
($resolved[0].pins | map({key: .identity, value: .state.revision}) | from_entries) as $revisions
| [$debian | split("\n")[] | select(. != "")
    | split("\t") as [$name, $version, $architecture, $source, $sourceVersion]
    | package("deb"; $name; $version;
        "pkg:deb/debian/\($name | @uri)@\($version | @uri)?arch=\($architecture)&distro=\($release)")
    + {sourceInfo: "built from \($source) \($sourceVersion)", supplier: "Organization: Debian"}] as $debian
| [$swift[0] | .. | objects | select(has("identity") and (.url | test("^[a-z]+:|@")))]
| unique_by(.identity)
| map((.url | rtrimstr(".git")) as $url
    | package("swift"; .identity; .version; "pkg:swift/\($url | sub("^[a-z]+://"; ""))@\(.version | @uri)")
    + {downloadLocation: "git+\(.url)\($revisions[.identity] // "" | sub("^(?=.)"; "@"))"}) as $swift
| ($toolchain[0] | .swiftCompilerTag // .compilerVersion) as $tag
| package("toolchain"; "swift"; $tag; "pkg:github/swiftlang/swift@\($tag | @uri)") as $toolchain
| package("pypi"; "drf-spectacular-sidecar"; $redoc; "pkg:pypi/drf-spectacular-sidecar@\($redoc | @uri)") as $redoc
| package("image"; "billing-service"; $version; "pkg:oci/billing-service@\($version | @uri)") as $image
| ($debian + $swift + [$toolchain, $redoc]) as $parts
| {
    spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "billing-service-\($version)",
    documentNamespace: "urn:billing-service:sbom:\($version | @uri):\($created | @uri)",
    creationInfo: {created: $created, creators: ["Tool: billing-service/scripts/sbom.sh"]},
    packages: ([$image + {primaryPackagePurpose: "CONTAINER"}] + $parts),
    relationships: [
        related("SPDXRef-DOCUMENT"; "DESCRIBES"; $image), ($parts[] | related($image.SPDXID; "CONTAINS"; .))
    ]
}'
