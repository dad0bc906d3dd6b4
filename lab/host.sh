# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A host: a systemd-nspawn machine that boots real systemd on an overlay over the base. Pulling its plug
# kills it as it stands; its root, its disks and its TPM's state stay, and it boots from them again.

HOST_REBOOTS=133 # nspawn's exit code for it

host_folder() { echo "$LAB/hosts/$1"; }
host_number() { echo "${1#h}"; }
host_address() { echo "$NETWORK.$((10 + $(host_number "$1")))"; }

hosts_made() {
    local folder
    for folder in "$LAB"/hosts/h[1-9]; do
        [ ! -d "$folder" ] || basename "$folder"
    done
}

host_known() {
    [[ $1 =~ ^h[1-$HOSTS_MAX]$ && -d $(host_folder "$1") ]] || STATUS=4 die "there is no host '$1'"
}

# The host's init, seen from here, or nothing.
host_leader() {
    local pid
    # shellcheck disable=SC2013 # numbers, one a line
    for pid in $(cat "$(cgroup_root)/$1/payload/init.scope/cgroup.procs" 2>/dev/null); do
        ! grep -qs "^NSpid:.*[[:space:]]1$" "/proc/$pid/status" || echo "$pid"
    done
}

host_running() {
    cgroup_busy "$1"
}

host_exec() {
    local host=$1 leader
    shift
    leader=$(host_leader "$host")
    [ -n "$leader" ] || STATUS=6 die "$host is off"
    nsenter -t "$leader" -a -r -w -- /usr/bin/env -i HOME=/root USER=root LANG=C.UTF-8 \
        TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# Lay the host's root, disks and TPM, as far as they are not there.
host_make() {
    local host=$1 tpm=$2 folder
    folder=$(host_folder "$host")
    mkdir -p "$folder"/{upper,work,root}
    if ! mountpoint -q "$folder/root"; then
        if [ ! -f "$folder/base" ]; then
            base_ensure
            base_folder >"$folder/base"
        fi
        mount -t overlay -o "lowerdir=$(cat "$folder/base"),upperdir=$folder/upper,workdir=$folder/work" \
            "quoin-lab-$host" "$folder/root"
    fi
    disks_make "$host"
    [ -z "$tpm" ] || tpm_make "$host"
    [ -f "$folder/ssh_host_ed25519_key.pub" ] || host_settle "$host" "$folder/root"
}

# What makes this host itself: its name, keys and address.
host_settle() {
    local host=$1 root=$2
    echo "$host" >"$root/etc/hostname"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    install -D -m 600 "$LAB/lab.key.pub" "$root/root/.ssh/authorized_keys"
    cat >"$root/etc/systemd/network/20-br0.network" <<TEXT
[Match]
Name=br0

[Network]
Address=$(host_address "$host")/24
LinkLocalAddressing=no
ConfigureWithoutCarrier=yes
TEXT
    rm -f "$root"/etc/ssh/ssh_host_ed25519_key*
    ssh-keygen -q -t ed25519 -N '' -C "$host" -f "$root/etc/ssh/ssh_host_ed25519_key"
    cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$(host_folder "$host")/"
}

hosts_know_each_other() {
    local host
    {
        echo "127.0.0.1 localhost"
        for host in $(hosts_made); do
            echo "$(host_address "$host") $host"
        done
    } >"$LAB/hosts.known"
    for host in $(hosts_made); do
        cat "$LAB/hosts.known" >"$(host_folder "$host")/root/etc/hosts"
    done
}

# The files of this machine that the host is to see in its /dev, and its TPM, as nspawn options.
host_binds() {
    local host=$1 disk file
    for disk in $(seq "$DISKS"); do
        echo "--bind=$(disk_device "$host" "$disk")"
    done
    for file in /dev/net/tun /dev/fuse /dev/kvm; do
        [ ! -e "$file" ] || echo "--bind=$file"
    done
    ! tpm_wanted "$host" || echo "--bind=$(host_folder "$host")/tpm:$TPM_SEEN"
}

host_start() {
    local host=$1 folder
    folder=$(host_folder "$host")
    host_running "$host" && return
    host_make "$host" ''
    mkdir -p "$folder/root/etc/tmpfiles.d"
    disks_links "$host" >"$folder/root/etc/tmpfiles.d/quoin-lab-disks.conf"
    if tpm_wanted "$host"; then
        echo "TCTI=$(tpm_name)" >"$folder/root/etc/quoin/tpm.env"
    fi
    cgroup_spawn "$host" "$folder/console.log" "$HERE/lab" run "$host"
}

# The host from its power button on, again after each reboot of its own. The TPM starts anew with it. No
# system call filter and the usual limits, as on a real host.
host_run() {
    local host=$1 code binds
    mapfile -t binds < <(host_binds "$host")
    while true; do
        tpm_stop "$host"
        tpm_start "$host"
        code=0
        env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_SECCOMP=0 \
            systemd-nspawn --quiet --directory="$(host_folder "$host")/root" --machine="$host" --boot \
            --register=no --keep-unit --console=pipe --capability=all --resolv-conf=off --timezone=off \
            --link-journal=no --rlimit=NOFILE=1024:524288 --rlimit=CORE=0:infinity \
            --network-bridge="$BRIDGE" "${binds[@]}" || code=$?
        [ "$code" = "$HOST_REBOOTS" ] || return 0
    done
}

# Until the host's init says that it has booted; a unit that failed does not hold the lab up.
host_await() {
    local state
    within "$BOOT_SECONDS" host_booted "$1" ||
        die "$1 does not boot; see $(host_folder "$1")/console.log"
    state=$(host_exec "$1" systemctl is-system-running) || true
    [ "$state" = running ] || say "$1 is $state: $(host_exec "$1" systemctl --failed --plain --no-legend)"
}

host_booted() {
    case $(host_state "$1") in running | degraded) true ;; *) false ;; esac
}

host_state() {
    host_exec "$1" systemctl is-system-running 2>/dev/null || true
}

# Pull the plug: nothing in the host gets to say goodbye. Its init goes first, so that nspawn, seeing it
# dead, puts its own things away; whatever is left then goes with the group.
host_stop() {
    local host=$1 leader
    leader=$(host_leader "$host")
    [ -z "$leader" ] || { kill -KILL "$leader" && within 10 cgroup_idle "$host"; } || true
    cgroup_kill "$host"
    net_unplug "$host"
    tpm_stop "$host"
}

host_remove() {
    local folder
    folder=$(host_folder "$1")
    # What nspawn leaves where /run is not a tmpfs.
    rm -f "/run/systemd/nspawn/locks/inode-$(stat -c %d:%i "$folder/root")"
    rm -rf --one-file-system "/run/systemd/nspawn/propagate/$1"
    ! mountpoint -q "$folder/root" || umount "$folder/root"
    disks_remove "$1"
    rm -rf --one-file-system "$folder"
}
