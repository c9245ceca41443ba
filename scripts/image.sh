#!/bin/sh
# Builds the image with docker, podman or buildah, and tags it with its version and as latest. Copies the SBOM to
# .build/image.
#
#     scripts/image.sh            builds the image
#     scripts/image.sh --engine   prints the engine that works on this machine: docker, podman or buildah
#
# Variables: VERSION (default: from git), ENGINE (default: the first that works), SWIFT_IMAGE and DEBIAN_IMAGE (default:
# the base images of the Dockerfile; with buildah, images made on this machine by local-bases.sh), PIP_INDEX_URL (a mirror
# of PyPI).
set -eu
cd "$(dirname "$0")/.."

engine() {
    # docker may be a client without a daemon, podman an installation without a configuration.
    for engine in docker podman; do
        if command -v "$engine" >/dev/null && timeout 20 "$engine" info >/dev/null 2>&1; then
            echo "$engine"
            return
        fi
    done
    echo buildah
}

ENGINE=${ENGINE:-$(engine)}
if [ "${1:-}" = --engine ]; then
    echo "$ENGINE"
    exit
fi

VERSION=${VERSION:-$(git describe --tags --always --dirty)}
revision=$(git rev-parse HEAD)
# The time of the commit: the same sources have the same labels.
created=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
name=billing-service
output=.build/image
mkdir -p "$output"

if [ "$ENGINE" = buildah ]; then
    scripts/install-packages.sh buildah
    if [ -z "${SWIFT_IMAGE:-}${DEBIAN_IMAGE:-}" ]; then
        # New bases each day, for Debian's updates. On the same day the layers above them are reused.
        today=$(date +%Y-%m-%d)
        DEBIAN_IMAGE=localhost/$name-debian:$today
        SWIFT_IMAGE=localhost/$name-swift:$today
        volumes=$(scripts/local-bases.sh "$DEBIAN_IMAGE" "$SWIFT_IMAGE")
    fi
fi

set -- --tag "$name:$VERSION" --tag "$name:latest" \
    --build-arg "VERSION=$VERSION" --build-arg "REVISION=$revision" --build-arg "CREATED=$created"
[ -z "${SWIFT_IMAGE:-}" ] || set -- "$@" --build-arg "SWIFT_IMAGE=$SWIFT_IMAGE"
[ -z "${PIP_INDEX_URL:-}" ] || set -- "$@" --build-arg "PIP_INDEX_URL=$PIP_INDEX_URL"
[ -z "${DEBIAN_IMAGE:-}" ] || set -- "$@" --build-arg "DEBIAN_IMAGE=$DEBIAN_IMAGE"
for volume in ${volumes:-}; do
    set -- "$@" --volume "$volume"
done

case $ENGINE in
docker)
    docker build "$@" .
    container=$(docker create "$name:$VERSION")
    docker cp "$container:/usr/share/doc/$name/sbom.spdx.json" "$output"
    docker rm "$container" >/dev/null
    size=$(docker image inspect --format '{{.Size}}' "$name:$VERSION" | numfmt --to=si --suffix=B)
    ;;
podman)
    # The OCI format has no health check.
    podman build --format docker --layers "$@" .
    container=$(podman create "$name:$VERSION")
    podman cp "$container:/usr/share/doc/$name/sbom.spdx.json" "$output"
    podman rm "$container" >/dev/null
    size=$(podman image inspect --format '{{.Size}}' "$name:$VERSION" | numfmt --to=si --suffix=B)
    ;;
buildah)
    # Without a namespace the build works inside containers, and on machines without a container runtime.
    buildah build --isolation chroot --format docker --layers "$@" .
    container=$(buildah from --pull=never "$name:$VERSION")
    cp "$(buildah mount "$container")/usr/share/doc/$name/sbom.spdx.json" "$output"
    buildah rm "$container" >/dev/null
    size=$(buildah images --json "$name:$VERSION" | tr -d '\n' | sed 's/.*"size": "\([^"]*\)".*/\1/')
    ;;
*)
    echo "ENGINE is docker, podman or buildah, not $ENGINE." >&2
    exit 64
    ;;
esac
echo "$name:$VERSION: $size; its SBOM is $output/sbom.spdx.json"
