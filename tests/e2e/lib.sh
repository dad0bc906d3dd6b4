# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the end-to-end tests share. Each script prints TAP: "ok N - …", "not ok N - …", and a plan at
# its end; it goes on after a failure, and exits 1 if there was one.

set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top" || exit 1

quoin=$top/build/quoin
blueprint=$top/blueprints/one-host.yaml
state=${QUOIN_E2E_STATE:-$top/build/e2e/state}
work=$(mktemp -d "${TMPDIR:-/tmp}/quoin-e2e.XXXXXX")
# shellcheck disable=SC2034 # for the tests
lab_folder=$("$top/lab/lab" status -o json | jq -r .folder)
count=0
failures=0
mkdir -p "$state"

at_end() {
    rm -rf "$work"
}
trap at_end EXIT

ok() {
    count=$((count + 1))
    echo "ok $count - $1"
}

not_ok() {
    count=$((count + 1))
    failures=$((failures + 1))
    echo "not ok $count - $1"
    [ $# -lt 2 ] || printf '%s\n' "$2" | tail -n 25 | sed 's/^/#   /'
}

# holds NAME COMMAND…: the command succeeds; its output is shown when it does not.
holds() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        ok "$name"
    else
        not_ok "$name" "exit $?: $said"
    fi
}

# exits CODE NAME COMMAND…: the command ends with this code, and says a remedy.
exits() {
    local wanted=$1 name=$2 said code
    shift 2
    said=$("$@" 2>&1)
    code=$?
    if [ "$code" -eq "$wanted" ]; then
        ok "$name: exit $wanted"
    else
        not_ok "$name: exit $wanted" "exit $code: $said"
    fi
    printf '%s\n' "$said" > "$work/said"
}

# refused COMMAND…: the command fails, for `holds`.
refused() {
    ! "$@"
}

# says NAME PATTERN: what the last `exits` said matches.
says() {
    if grep -qE -- "$2" "$work/said"; then
        ok "$1"
    else
        not_ok "$1" "no /$2/ in: $(cat "$work/said")"
    fi
}

is() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "got '$2', wanted '$3'"
    fi
}

# The bytes of a file as hexadecimal digits, without a newline.
hex_of() {
    od -An -v -tx1 "$1" | tr -d ' \n'
}

on() {
    "$top/lab/lab" exec "$@"
}

# The image of a disk of the manager's: the generation of its keys may stand behind its name.
disk_image() {
    on h1 rbd --id quoin ls ds1 | grep -E -- "^vm-.*-$1(-[0-9]+)?\$"
}

# kid FILTER: the KEK that the envelope names whose protected header the filter finds in the JSON that comes in.
kid() {
    jq -r "$1" | jose b64 dec -i- -O- | jq -r .kid
}

# The KEK in the header of a disk of the manager's, as the second host reads it.
disk_kek() {
    on h2 sh -c "rbd --id quoin export ds1/$(disk_image "$1") - 2> /dev/null | head -c 4194304" > "$work/header"
    cryptsetup luksDump --dump-json-metadata "$work/header" | kid '.tokens[] | select(.type == "quoin") | .jwe.protected'
}

q() {
    "$quoin" --state "$state" "$@"
}

# jq 1.6 calls it a success when -e had nothing to read, as of a server that did not answer.
jq() {
    local said status=0
    case $1 in
    -e | -er | -re)
        said=$(command jq "$@") || status=$?
        [ -z "$said" ] || printf '%s\n' "$said"
        [ "$status" = 0 ] && [ -n "$said" ]
        ;;
    *) command jq "$@" ;;
    esac
}

# until SECONDS COMMAND…: once a second until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    while ! "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 1
    done
}

# A host that was powered on answers by SSH again.
until_up() {
    until_true 90 on "$1" systemctl is-active ssh
}

# status_until FILTER: what the cluster says of itself, in $work/status, once the filter holds.
status_told() {
    q status -o json > "$work/status" 2> /dev/null
    jq -e "$1" "$work/status"
}
status_until() {
    until_true 180 status_told "$1"
}

manager_address() {
    "$quoin" blueprint get "$blueprint" manager.network.address | cut -d/ -f1
}

# The manager's health over its own address, its certificate held against the cluster's CA.
manager_up() {
    curl -sf --max-time 5 --cacert "$state/$("$quoin" blueprint get "$blueprint" cluster.name)/ca.pem" \
        "https://$(manager_address)/healthz"
}

# How many KEKs of the native provider on h1 are not retired.
active_keks() {
    on h1 sh -c 'find /var/lib/quoin/provider* -path "*.lost-*" -prune -o -name ledger.json -exec cat {} +' |
        jq '[.keks[] | select(.retired == "")] | length'
}

# waits_for PATTERN: the first host says that it waits for this.
waits_for() {
    q status -o json | jq -e --arg what "$1" '.hosts[0].waiting | test($what)'
}

# How the key server has an object: ACTIVE, or gone.
kms_state() {
    /usr/bin/python3 - "$lab_folder" "$1" << 'EOF'
import sys
from kmip.core.enums import AttributeType
from kmip.pie.client import ProxyKmipClient
folder, uid = sys.argv[1:]
with ProxyKmipClient(hostname="10.77.0.1", port=5696, cert=f"{folder}/client.pem", key=f"{folder}/client.key",
                     ca=f"{folder}/ca.pem", config_file="/dev/null") as client:
    try:
        print(client.get_attributes(uid, ["State"])[1][0].attribute_value.value.name)
    except Exception as failure:
        print("gone" if "locate" in str(failure).lower() or "not found" in str(failure).lower() else failure)
EOF
}

# block PAGE TAG: the commands of a page that are marked so.
block() {
    awk -v tag="$2" '/^```sh /{on = index($0 " ", " " tag " ") > 0; next} /^```/{on = 0} on' "$1"
}

done_testing() {
    echo "1..$count"
    [ "$failures" -eq 0 ]
    exit
}
