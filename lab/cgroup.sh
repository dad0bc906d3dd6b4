# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Control groups: each host and each service of the lab runs in a group of its own, named as it, in one that
# is named as the lab's folder. So what runs is asked of the kernel, not of files with process numbers, and
# ending one ends all that it started.

cgroup_root() {
    local mount
    mount=$(findmnt -rn -t cgroup2 -o TARGET) || die "no cgroup2 is mounted"
    echo "${mount%%$'\n'*}/$(basename "$LAB")"
}

cgroup_make() {
    local group
    group=$(cgroup_root)/$1
    mkdir -p "$group"
    cgroup_offer "$(dirname "$(cgroup_root)")"
    cgroup_offer "$(cgroup_root)"
}

# Hand the controllers of a group on to those below it, as far as it has any.
cgroup_offer() {
    local controller
    for controller in $(<"$1/cgroup.controllers"); do
        echo "+$controller" 2>/dev/null >"$1/cgroup.subtree_control" || true
    done
}

# Start a program in the background, in the group, away from this terminal and this lock.
cgroup_spawn() {
    local name=$1 log=$2
    shift 2
    cgroup_make "$name"
    (
        echo "$BASHPID" >"$(cgroup_root)/$name/cgroup.procs"
        exec setsid "$@"
    ) </dev/null >>"$log" 2>&1 9<&- &
}

cgroup_busy() {
    grep -qs '^populated 1' "$(cgroup_root)/$1/cgroup.events"
}

# End all that runs in the group, at once, and see it gone.
cgroup_kill() {
    local group
    group=$(cgroup_root)/$1
    [ -d "$group" ] || return 0
    echo 1 >"$group/cgroup.kill"
    within 20 cgroup_idle "$1" || die "what ran in $1 does not end"
    cgroup_remove "$1"
}

# Stop all that runs in the group where it stands (1), or let it go on (0), and see it so.
cgroup_freeze() {
    echo "$2" >"$(cgroup_root)/$1/cgroup.freeze"
    within 20 grep -qs "^frozen $2" "$(cgroup_root)/$1/cgroup.events" || die "$1 does not obey"
}

cgroup_frozen() { grep -qs "^frozen 1" "$(cgroup_root)/$1/cgroup.events"; }

cgroup_idle() {
    ! cgroup_busy "$1"
}

# Take the empty group away, and the empty ones below it; without a name the lab's own. Where the old
# hierarchies are mounted too, nspawn makes groups of the same name there.
cgroup_remove() {
    local mount group
    for mount in $(findmnt -rn -t cgroup,cgroup2 -o TARGET); do
        group=$mount/$(basename "$LAB")${1:+/$1}
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
    done
}

# within SECONDS COMMAND...: true as soon as the command is.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
