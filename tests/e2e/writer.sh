# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # of lib.sh
# A counter inside the manager's disk, and where the manager runs. For tests of a cluster of three hosts that is
# up (blueprints/three-hosts.yaml): sourced after lib.sh.
#
# The counter is the manager's own database: a data center named n-000001, n-000002, … is made by its API, one
# after the other. What it acknowledged must be there after whatever happens to the host under it.

blueprint=$top/blueprints/three-hosts.yaml
state=${QUOIN_E2E_STATE_THREE:-$top/build/e2e/state-three}
hosts=(h1 h2 h3)
cluster=$("$quoin" blueprint get "$blueprint" cluster.name)
ca=$state/$cluster/ca.pem

api() {
    local method=$1 path=$2
    shift 2
    curl -s --max-time 8 --cacert "$ca" -X "$method" -H "Authorization: Bearer $(cat "$work/token" 2>/dev/null)" \
        -H 'Content-Type: application/json' "$@" "https://$(manager_address)/api/v1/$path"
}

# The manager stretches the password, for which a busy emulated guest takes longer than for anything else.
sign_in() {
    jq -n --rawfile password "$top/blueprints/admin.password" '{user: "admin", password: ($password | rtrimstr("\n"))}' |
        curl -sf --max-time 40 --cacert "$ca" -d @- -H 'Content-Type: application/json' \
            "https://$(manager_address)/api/v1/session" | jq -re .token > "$work/token.new" && mv "$work/token.new" "$work/token"
}

manager_up() {
    curl -sf --max-time 3 --cacert "$ca" "https://$(manager_address)/healthz"
}

# A host that is frozen or off does not answer; it is not asked for long.
runs_mgr() {
    timeout 5 "$top/lab/lab" exec "$1" virsh -q list --name --state-running 2>/dev/null | grep -qx mgr
}

# The host that has the manager, of those that answer; of two that have it the one that others fenced is not it.
where_is_it() {
    local host
    for host in "${hosts[@]}"; do
        if runs_mgr "$host"; then
            echo "$host"
            return 0
        fi
    done
    return 1
}

# The newest that was acknowledged; the last that was tried.
acknowledged=0
tried=0

# One write; an answer of 201 is an acknowledgement. A name that is there already was written by a request whose
# answer was lost.
write_one() {
    local code name
    tried=$((acknowledged + 1))
    name=$(printf 'n-%06d' "$tried")
    code=$(api POST datacenters -o /dev/null -w '%{http_code}' -d "{\"name\":\"$name\"}")
    case $code in
    200 | 201 | 409) acknowledged=$tried ;;
    401) sign_in; return 1 ;;
    *) return 1 ;;
    esac
}

# writes N: so many acknowledged writes.
writes() {
    local i
    for ((i = 0; i < $1; i++)); do
        until_true 60 write_one || return 1
    done
}

# Every acknowledged value is there, and none that was never sent: "lost N strange N".
counted() {
    api GET datacenters | jq -er --argjson last "$acknowledged" --argjson tried "$tried" '
        [.items[].name | select(startswith("n-")) | ltrimstr("n-") | tonumber] as $there |
        "lost \([range(1; $last + 1)] - $there | length) strange \([$there[] | select(. > $tried)] | length)"'
}

# What a cluster that ran before has: the counter goes on from there.
count_from_there() {
    acknowledged=$(api GET datacenters | jq -er '[.items[].name | select(startswith("n-")) | ltrimstr("n-") | tonumber] | max // 0') || acknowledged=0
    tried=$acknowledged
}

counted_again() { counted > "$work/counted"; }
# A busy guest that does not answer in time has lost nothing yet: it is asked again.
counter_is_whole() {
    until_true 60 sign_in
    until_true 60 counted_again
    is "$1: no acknowledged write is lost, none came from nowhere" "$(cat "$work/counted")" "lost 0 strange 0"
}

# No client of any other host has a disk of the manager open.
one_writer() {
    local host image addresses
    host=$(where_is_it) || return 1
    for image in $(on "$host" rbd --id quoin ls ds1 | grep -- "^vm-.*-\(system\|data\)"); do
        addresses=$(on "$host" rbd --id quoin status "ds1/$image" 2>/dev/null | sed -n 's/.*watcher=\([^:]*\):.*/\1/p' | sort -u)
        [ "$addresses" = "10.77.0.1${host#h}" ] || { echo "$image: $addresses"; return 1; }
    done
}

fenced_now() {
    on "$1" ceph osd blocklist ls -f json 2>/dev/null | grep -q "\"10.77.0.1${2#h}:0/0\""
}

not_fenced() { ! fenced_now "$1" "$2"; }

# Unix seconds with a fraction.
now() { date +%s.%N; }

# When the newest line of the agent of HOST that matches was logged, of those since SECONDS.
logged() {
    on "$1" journalctl -u quoind -o json --since "@${2%.*}" 2>/dev/null |
        jq -rs --arg re "$3" '[.[] | select(.MESSAGE | strings | test($re))] | last | (.__REALTIME_TIMESTAMP // "0" | tonumber) / 1000000'
}

# parts HOST SINCE: the seconds of detection, fence and start of a takeover by that host, and when it was started.
parts() {
    local began fenced taken
    began=$(logged "$1" "$2" 'is not kept any more')
    fenced=$(logged "$1" "$2" 'is fenced, in')
    taken=$(logged "$1" "$2" "taken over, in")
    awk -v z="$2" -v b="$began" -v f="$fenced" -v t="$taken" 'BEGIN { printf "%.1f %.1f %.1f %.3f\n", b - z, f - b, t - f, t }'
}
times() {
    local detection fence start
    read -r detection fence start _ < <(parts "$@")
    echo "# detection $detection s, fence $fence s, start $start s"
}

# elsewhere HOST: another one has it.
elsewhere() {
    local there
    there=$(where_is_it) && [ "$there" != "$1" ]
}

runs_elsewhere() { until_true 150 elsewhere "$1"; }
# With the time that an emulated guest takes to boot.
answers() { until_true 300 manager_up; }
has_no_mgr() { ! on "$1" virsh -q list --name | grep -qx mgr; }

# For a trap: no host stays frozen or cut off.
hosts_back() {
    local host
    for host in "${hosts[@]}"; do
        "$top/lab/lab" thaw "$host" 2>/dev/null
        "$top/lab/lab" net join "$host" 2>/dev/null
    done
    at_end
}

all_members_up() {
    local host
    for host in "${hosts[@]}"; do
        [ "$(timeout 10 "$top/lab/lab" exec "$host" ceph osd stat -f json 2>/dev/null | jq -r .num_up_osds)" = "${#hosts[@]}" ] || return 1
    done
}
