#!/bin/sh
# Look up accounts, read the stream of all accounts, and change the city of one. Needs curl 7.76 and jq.
#
#     BASE=http://127.0.0.1:8080 TOKEN=bst_... sh client.sh ACCOUNT...
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# curl reads the token from a file, because other users can read command lines.
(umask 077 && printf 'header = "authorization: Bearer %s"\n' "$TOKEN" > "$work/curl.conf")

# curl with the token. It retries broken connections, 429, 503 and 504, and waits as long as Retry-After says.
service() {
    curl --silent --show-error --config "$work/curl.conf" --dump-header "$work/head" \
        --retry 8 --retry-max-time 60 --retry-connrefused "$@"
}
# Sends a read, or a change with a key: both may be repeated. The body is in $work/body.
send() { status=$(service --retry-all-errors --output "$work/body" --write-out '%{http_code}' "$@"); }
# A field of the last answer.
field() { tr -d '\r' < "$work/head" | sed -n "s/^$1: //Ip" | tail -n 1; }
# The body of an error is problem details (RFC 9457) with Zoom's code and message.
fail() {
    echo "$(cat "$work/body") (request $(field x-request-id))" >&2
    exit 1
}

look_up() {
    send "$1"
    if [ "$status" = 400 ] && [ "$(jq .code "$work/body")" = 2100 ]; then
        echo 'pays for itself'
        return
    fi
    [ "$status" = 200 ] || fail
    city=$(jq -r .city "$work/body")
    etag=$(field etag)
    send -H "if-none-match: $etag" "$1"
    echo "$city, then $status"  # 304: it has not changed
}

# Writes the lines of all accounts to a file. Only the line `end` makes it complete. Until then, the stream continues
# after the last account. jq drops a line that is cut off.
stream() {
    : > "$1"
    parts=0
    until [ "$(tail -n 1 "$1" | jq -r .type)" = end ]; do
        parts=$((parts + 1))
        [ "$parts" -le 20 ] || { echo 'the stream is incomplete' >&2; exit 1; }
        after=$(tail -n 1 "$1" | jq -r .account_id)
        : > "$work/body"  # curl does not touch it if the connection breaks before the body.
        status=$(service --output "$work/body" --write-out '%{http_code}' \
            "$BASE/v2/billing/stream${after:+?after=$after}") || true
        case $status in
            200) jq -R -c 'fromjson? | select(.account_id or .type == "end")' "$work/body" >> "$1" ;;
            000) ;;  # The connection broke before the answer.
            *) fail ;;
        esac
    done
}

for account in "$@"; do
    look_up "$BASE/v2/accounts/$account/billing"
done
stream "$work/lines"
echo "$(grep -c '"type":"contact"' "$work/lines") contacts, $(grep -c '"type":"failure"' "$work/lines") failures"

# The change of the last contact is refused (412) if it has changed since it was read.
change() { send -X PATCH -H 'content-type: application/json' -H "if-match: $etag" -d '{"city": "Berkeley"}' "$@"; }
billing=$BASE/v2/accounts/$account/billing
change "$billing?dry_run=true"
[ "$status" = 200 ] || fail
jq -r '.changes[] | "dry run: \(.field) \(.from) -> \(.to)"' "$work/body"
# Store the key before you send the change. With the same key it is made once, however often it is sent.
key=$(cat /proc/sys/kernel/random/uuid)
change -H "idempotency-key: \"$key\"" "$billing"
[ "$status" = 204 ] || fail
echo "changed: $status"
