#!/bin/sh
# Installs the named Debian packages that are missing.
set -eu

missing=""
for package in "$@"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    if ! sudo --non-interactive true 2>/dev/null; then
        echo "These Debian packages are missing:$missing" >&2
        echo "Installing them needs root. Run this, then try again:" >&2
        echo "    sudo apt-get install --yes --no-install-recommends$missing" >&2
        exit 1
    fi
fi
# shellcheck disable=SC2086 # a list of words
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing; }
$as_root apt-get update --quiet
install

# Only the programs are needed. The services that Debian starts would occupy ports.
if [ -d /run/systemd/system ]; then
    for package in $missing; do
        case $package in
        nghttp2-proxy) service=nghttpx ;;
        *) service=${package%-light} ;;
        esac
        $as_root systemctl disable --now --quiet "$service.service" 2>/dev/null || true
    done
fi
