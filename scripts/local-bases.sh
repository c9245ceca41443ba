#!/bin/sh
# Makes the two base images of the Dockerfile on a machine that reaches no image registry: Debian from apt's packages,
# and the same with the libraries that this machine's Swift toolchain needs.
#
#     scripts/local-bases.sh DEBIAN SWIFT
#
# DEBIAN and SWIFT are the names of the images. Prints a line for each folder that the build has to mount, in the form
# of `buildah build --volume`. The toolchain is mounted, because a copy of 3 GB would only take time.
set -eu
debian=$1
swift=$2

"$(dirname "$0")/install-packages.sh" buildah jq mmdebstrap >&2

work=$(mktemp -d)
container=
cleanup() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

make_debian() {
    # The same sources, proxies, checks and credentials as apt on this machine.
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016 # apt expands these
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' \
        | sort -u > "$work/sources.list"
    apt-config dump | grep -E '^Acquire::(Check|http|https|ftp|Force|Retries|Allow)' > "$work/apt.conf" || true
    # shellcheck disable=SC2016 # mmdebstrap's shell expands it
    set -- --aptopt="$work/apt.conf" --setup-hook='mkdir -p "$1/etc/apt/auth.conf.d"'
    for file in /etc/apt/auth.conf /etc/apt/auth.conf.d/*; do
        [ ! -f "$file" ] || set -- "$@" --setup-hook="copy-in $file /etc/apt/auth.conf.d"
    done
    mmdebstrap --quiet --variant=minbase "$@" "$suite" "$work/debian.tar" "$work/sources.list" >&2

    # Certificate authorities that are local to this machine: a proxy may need them.
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/debian.tar" / >/dev/null
    if [ -d /usr/local/share/ca-certificates ]; then
        buildah copy --quiet "$container" /usr/local/share/ca-certificates /usr/local/share/ca-certificates >/dev/null
    fi
    buildah commit --quiet "$container" "$debian" >/dev/null
    buildah rm "$container" >/dev/null
    container=
}

make_swift() {
    container=$(buildah from "$debian")
    buildah run --isolation chroot "$container" -- sh -euc '
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends binutils ca-certificates git \
            libc6-dev libcurl4 libedit2 libgcc-12-dev libncurses6 libsqlite3-0 libstdc++-12-dev libxml2 libz3-4 tzdata
        rm -rf /var/lib/apt/lists/*
    ' >&2
    path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    buildah config --env "PATH=$toolchain/usr/bin:$path" "$container"

    # The build uses the same redirections of git URLs as this machine. Mounted folders may have another owner.
    git config --file "$work/gitconfig" safe.directory '*'
    while read -r key value; do
        git config --file "$work/gitconfig" --add "$key" "$value"
    done < "$work/elsewhere"
    buildah copy --quiet "$container" "$work/gitconfig" /etc/gitconfig >/dev/null
    buildah commit --quiet "$container" "$swift" >/dev/null
}

# `swift` may be a link, so the toolchain is asked for its own path.
toolchain=$(swift -print-target-info | jq --raw-output .paths.runtimeResourcePath)
toolchain=${toolchain%/usr/lib/swift}
[ -x "$toolchain/usr/bin/swift" ] && [ -n "$toolchain" ] || {
    echo "The toolchain of $(command -v swift) shares its folder with other programs and cannot be mounted." >&2
    exit 1
}

git config --get-regexp '^url\..*\.insteadof$' > "$work/elsewhere" || true
# Existing images are kept.
buildah inspect --type image "$debian" >/dev/null 2>&1 || make_debian
buildah inspect --type image "$swift" >/dev/null 2>&1 || make_swift

echo "$toolchain:$toolchain:ro"
sed -n 's#^url\.\(file://\)\{0,1\}\(/.*\)\.insteadof .*#\2#p' "$work/elsewhere" | sort -u | while read -r folder; do
    echo "$folder:$folder:ro"
done
