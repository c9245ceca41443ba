#!/bin/sh
# Tests the image as operators run it: read-only root, no capabilities, no new privileges, a user other than root.
#
#     scripts/test-image.sh [IMAGE]
#
# Uses docker or podman, or else buildah and runc: buildah itself has no read-only root.
# The container uses this machine's network on loopback addresses, so that the tests can reach it.
set -eu
cd "$(dirname "$0")/.."
image=${1:-billing-service:latest}
program=/usr/local/bin/billing-service
memory=536870912

scripts/install-packages.sh curl jq
ENGINE=${ENGINE:-$(scripts/image.sh --engine)}
[ "$ENGINE" != buildah ] || scripts/install-packages.sh buildah runc
http_port=$(shuf --input-range 20000-25999 --head-count 1)
ops_port=$(shuf --input-range 26000-31999 --head-count 1)

work=$(mktemp -d)
prefix=billing-service-test-$$
mounted=
containers=
cleanup() {
    for name in $containers; do
        case $ENGINE in
        buildah) runc delete --force "$name" ;;
        *) "$ENGINE" rm --force "$name" ;;
        esac
    done >/dev/null 2>&1 || true
    [ -z "$mounted" ] || buildah rm "$mounted" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

passed=0
failed=0
# Runs a command. The check passes if the command succeeds.
check() {
    description=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "ok $description"
        passed=$((passed + 1))
    else
        echo "not ok $description"
        sed 's/^/    /' "$work/said"
        failed=$((failed + 1))
    fi
}
config() { jq --exit-status "$1" "$work/config.json"; }
is() { [ "$1" = "$2" ] || { echo "$1 instead of $2"; return 1; }; }

# The configuration of the image in docker's format, and a list of all its files.
case $ENGINE in
docker | podman)
    "$ENGINE" image inspect "$image" | jq '.[0] | .Config + with_entries(select(.key == "Healthcheck"))' \
        > "$work/config.json"
    "$ENGINE" create --name "$prefix-files" "$image" >/dev/null
    containers=$prefix-files
    "$ENGINE" export "$prefix-files" > "$work/root.tar"
    ;;
buildah)
    buildah inspect --type image "$image" | jq .Docker.config > "$work/config.json"
    mounted=$(buildah from --pull-never "$image")
    root=$(buildah mount "$mounted")
    tar --create --file "$work/root.tar" --directory "$root" .
    ;;
esac
tar --list --verbose --numeric-owner --file "$work/root.tar" > "$work/files"

# Runs the image's entrypoint with the arguments: in_container NAME ARGUMENT...
in_container() {
    name=$prefix-$1
    shift
    case $ENGINE in
    docker | podman)
        timeout 120 "$ENGINE" run --name "$name" --read-only --cap-drop ALL --security-opt no-new-privileges \
            --memory "$memory" --network host --env BILLING_HTTP_HOST=127.0.0.1 --env BILLING_OPS_HOST=127.0.0.1 \
            --env "BILLING_HTTP_PORT=$http_port" --env "BILLING_OPS_PORT=$ops_port" "$image" "$@"
        ;;
    buildah)
        mkdir "$work/$name"
        runc spec --bundle "$work/$name"
        jq --slurpfile image "$work/config.json" --arg root "$root" --argjson memory "$memory" \
            --arg http "$http_port" --arg ops "$ops_port" --arg arguments "$*" '
            $image[0] as $image | ($image.User | split(":") | map(tonumber)) as [$uid, $gid]
            | .root = {path: $root, readonly: true}
            | .process.terminal = false | .process.noNewPrivileges = true | .process.capabilities = {}
            | .process.user = {uid: $uid, gid: $gid} | .process.args = $image.Entrypoint + ($arguments / " ")
            | .process.env = $image.Env + ["BILLING_HTTP_HOST=127.0.0.1", "BILLING_OPS_HOST=127.0.0.1",
                "BILLING_HTTP_PORT=\($http)", "BILLING_OPS_PORT=\($ops)"]
            | .linux.resources.memory = {limit: $memory}
            | .linux.namespaces |= map(select(.type != "network"))
            ' "$work/$name/config.json" > "$work/config.new"
        mv "$work/config.new" "$work/$name/config.json"
        timeout 120 runc run --bundle "$work/$name" "$name"
        ;;
    esac
}
# Runs a command in the container with the service.
beside() {
    case $ENGINE in
    buildah) timeout 20 runc exec "$prefix-serve" "$@" ;;
    *) timeout 20 "$ENGINE" exec "$prefix-serve" "$@" ;;
    esac
}
signal() {
    case $ENGINE in
    buildah) runc kill "$prefix-$2" "$1" ;;
    *) "$ENGINE" kill --signal "$1" "$prefix-$2" >/dev/null ;;
    esac
}
# Starts the service and waits until it is ready: started NAME. `running` is its process id.
started() {
    in_container "$1" serve --sandbox >"$work/$1.out" 2>"$work/$1.err" &
    running=$!
    attempt=0
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$ops_port/readyz"; do
        attempt=$((attempt + 1))
        if [ "$attempt" -gt 1000 ] || ! kill -0 "$running" 2>/dev/null; then
            cat "$work/$1.out" "$work/$1.err"
            return 1
        fi
        sleep 0.02
    done
}
pid_of() {
    case $ENGINE in
    buildah) runc state "$prefix-$1" | jq .pid ;;
    *) "$ENGINE" inspect --format '{{.State.Pid}}' "$prefix-$1" ;;
    esac
}

echo "# $image with $ENGINE"
check "the user is a number other than root's" config '.User | test("^[1-9][0-9]*:[1-9][0-9]*$")'
check "the entrypoint is the program, without a shell" config ".Entrypoint == [\"$program\"] and .Cmd == [\"serve\"]"
check "the stop signal is SIGTERM" config '.StopSignal == "SIGTERM"'
check "the health check runs the program" config \
    ".Healthcheck | .Test == [\"CMD\", \"$program\", \"health\"] and .Interval > 0 and .Timeout > 0 and .Retries > 0"
check "the labels say title, description, version, revision and time" config '
    .Labels | with_entries(.key |= ltrimstr("org.opencontainers.image.")) | .title == "billing-service"
    and (.description | length > 20) and (.version | test("[0-9a-f]")) and (.revision | test("^[0-9a-f]{40}$"))
    and (.created | fromdateiso8601 > 1600000000)'
check "it listens on all addresses" config \
    '[.Env[] | select(test("^BILLING_(HTTP|OPS)_HOST=0.0.0.0$"))] | length == 2'

nothing_setuid() { ! grep -E '^-..[sS]|^-.....[sS]' "$work/files"; }
nothing_to_write() { ! grep -E '^[-d].{7}w' "$work/files" | grep -v -E ' (\./)?tmp/$'; }
no_shell() { ! grep -E '/(sh|bash|dash|busybox|apt|apt-get|dpkg)$' "$work/files"; }
check "no file is setuid or setgid" nothing_setuid
check "only /tmp is world-writable" nothing_to_write
check "there is no shell and no package manager" no_shell

document=usr/share/doc/billing-service/sbom.spdx.json
tar --extract --file "$work/root.tar" --to-stdout "./$document" > "$work/sbom.json" 2>/dev/null \
    || tar --extract --file "$work/root.tar" --to-stdout "$document" > "$work/sbom.json" || true
sbom_has() {
    jq --exit-status --arg name "$1" --arg version "$2" \
        'any(.packages[]; (.name | test($name)) and (.versionInfo | test($version)))' "$work/sbom.json"
}
check "the SBOM is SPDX" jq --exit-status '.spdxVersion == "SPDX-2.3" and (.packages | length > 10)' "$work/sbom.json"
check "it has Debian's revision of libnghttp2" sbom_has '^libnghttp2-14$' '^1\.[0-9.]+-[0-9]'
check "it has the package with Redoc" sbom_has '^drf-spectacular-sidecar$' '^20[0-9.]+$'
check "it has Debian's revision of hiredis" sbom_has '^libhiredis0\.14$' '^0\.14\.[0-9.]+-[0-9]'
check "it has Debian's revision of SQLite" sbom_has '^libsqlite3-0$' '^3\.[0-9.]+-[0-9]'
check "it has Debian's revision of OpenSSL" sbom_has '^libssl3' '^3\.[0-9.]+-[0-9]'
check "it has the version of swift-nio" sbom_has '^swift-nio$' '^2\.[0-9.]+$'
check "it has the version of the toolchain" sbom_has '^swift$' '6\.'
check "it has no package without a version" \
    jq --exit-status '[.packages[] | select((.versionInfo // "") == "")] == []' "$work/sbom.json"

containers="$containers $prefix-help $prefix-health $prefix-serve $prefix-crash"
check "--help exits with 0" in_container help --help
status=0
in_container health health >"$work/health" 2>&1 || status=$?
check "health exits with 1 if nothing listens" is "$status" 1

touch "$work/before"
began=$(date +%s%N)
check "it starts, and /readyz reports that it is ready" started serve
if kill -0 "$running" 2>/dev/null; then
    echo "# ready after $((($(date +%s%N) - began) / 1000000)) ms, including the engine"
    sed -n "s/^curl --http2-prior-knowledge -H '\([^']*\)' \(.*\)/\1|\2/p" "$work/serve.out" | head -n 1 > "$work/try"
    header=$(cut -d '|' -f 1 "$work/try")
    check "it answers a request with the printed token" curl --silent --show-error --fail \
        --http2-prior-knowledge --max-time 10 --header "$header" "$(cut -d '|' -f 2 "$work/try")"
    check "it refuses a request without a token" is \
        "$(curl --silent --output /dev/null --write-out '%{http_code}' "$(cut -d '|' -f 2 "$work/try")")" 401
    check "health exits with 0" beside "$program" health

    pid=$(pid_of serve)
    # The state of the process in the kernel, whatever the engine reports.
    state() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
    is_zero() { state "$1" | grep -E '^0+$' || { state "$1"; return 1; }; }
    is_readonly() { grep -E '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ / ro[, ]' "/proc/$pid/mountinfo"; }
    limited() {
        cat "/proc/$pid/root/sys/fs/cgroup/memory.max" "/proc/$pid/root/sys/fs/cgroup/memory/memory.limit_in_bytes" \
            "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/memory.max" \
            "/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' "/proc/$pid/cgroup")/memory.limit_in_bytes" \
            2>/dev/null | grep -x "$memory"
    }
    check "it is process 1" is "$(state NSpid | awk '{ print $NF }')" 1
    check "its user and group are 65532" is "$(state Uid) $(state Gid)" \
        "$(printf '65532\t65532\t65532\t65532 65532\t65532\t65532\t65532')"
    check "its root is read-only" is_readonly
    for set in CapEff CapPrm CapInh CapBnd CapAmb; do
        check "it has no capabilities ($set)" is_zero "$set"
    done
    check "it cannot gain privileges" is "$(state NoNewPrivs)" 1
    check "its memory is limited" limited
    echo "# $(state VmRSS) resident after the first requests"

    # SIGTERM alone must end it in time.
    stopped() {
        signal TERM serve
        code=0
        wait "$running" || code=$?
        is "$code" 0
    }
    check "after SIGTERM it exits with 0" stopped
    untouched() {
        case $ENGINE in
        buildah) [ -z "$(find "$root" -newer "$work/before" | tee "$work/said")" ] ;;
        # The engine's mount points are not files of the service.
        *) ! "$ENGINE" diff "$prefix-serve" | grep -v -E ' /(dev|etc|proc|run|sys|tmp)(/|$)' ;;
        esac
    }
    check "nothing was written to its root" untouched
    uncomplaining() { ! grep -i -E 'read-only|permission|not permitted' "$work/serve.err" "$work/serve.out"; }
    check "it logs no error about missing permissions" uncomplaining
fi

crashes() {
    started crash
    signal SEGV crash
    attempt=0
    until grep 'Backtrace took' "$work/crash.err"; do
        attempt=$((attempt + 1))
        [ "$attempt" -le 300 ] || break
        sleep 0.1
    done
    signal KILL crash || true
    wait "$running" || true
    grep ' in billing-service' "$work/crash.err" || { cat "$work/crash.err"; return 1; }
}
check "a crash leaves a backtrace" crashes
without_registers() { ! grep -i -E '^(rax|rip|x0|registers)' "$work/crash.err"; }
check "the backtrace has no registers or memory, which may contain tokens" without_registers

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
