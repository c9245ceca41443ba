#!/bin/sh
# Installs those of the named Debian packages that are missing.
set -eu

missing=""
for package in "$@"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command="apt-get install --yes --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ]; then
    apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive $command
    as_root=""
elif command -v sudo >/dev/null && sudo --non-interactive true 2>/dev/null; then
    sudo apt-get update --quiet
    sudo DEBIAN_FRONTEND=noninteractive $command
    as_root=sudo
else
    echo "These Debian packages are missing:$missing" >&2
    echo "Installing them needs root. Run this, then try again:  sudo $command" >&2
    exit 1
fi

# They are wanted as programs: what Debian has started of them would only hold ports.
if [ -d /run/systemd/system ]; then
    for package in $missing; do
        $as_root systemctl disable --now --quiet "${package%-light}.service" 2>/dev/null || true
    done
fi
