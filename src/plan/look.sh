# SPDX-License-Identifier: Apache-2.0
# What a host says of itself, for quoin: run as root by `ssh HOST sh -s`, with the question (packages,
# names, ports, servers, boot) set above. It changes nothing and leaves nothing. facts.h has the grammar.
# Needs coreutils, util-linux, iproute2, sed and grep. POSIX sh.

LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
set -f

word() {
    case $1 in
    '') printf ' %%' ;;
    *[!A-Za-z0-9._:/+,=~@-]*) printf ' ' && printf '%.1000s' "$1" | od -An -v -tx1 | tr -d '\n' | sed 's, ,%,g' ;;
    *) printf ' %.1000s' "$1" ;;
    esac
}

say() {
    printf '%s' "$1"
    shift
    for one; do
        word "$one"
    done
    printf '\n'
}

# The first line of a file, or nothing.
first() {
    [ -r "$1" ] && head -c 4096 "$1" 2>/dev/null | tr -d '\000' | head -n 1
}

# Without blanks at either end, and without what cannot be printed.
trim() {
    printf '%s' "$1" | tr -cd '[:print:]' | sed 's/^ *//; s/ *$//'
}

say_system() {
    say hostname "$(uname -n)"
    say machine-id "$(first /etc/machine-id)"
    say product-uuid "$(first /sys/class/dmi/id/product_uuid | tr '[:upper:]' '[:lower:]')"
    say kernel "$(uname -r)"
    ID='' VERSION_ID=''
    # shellcheck disable=SC1091
    [ -r /etc/os-release ] && . /etc/os-release
    say os "$ID" "$VERSION_ID"
    say superuser "$([ "$(id -u)" = 0 ] && echo 1 || echo 0)"
    say cpus "$(nproc)"
    total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    say memory $((total * 1024)) $((free * 1024))
    tpm=''
    [ -c /dev/tpmrm0 ] && tpm=/dev/tpmrm0
    [ -r /etc/quoin/tpm.env ] && tpm=$(sed -n 's/^[A-Z0-9_]*TCTI="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/quoin/tpm.env | head -n 1)
    say tpm "$tpm"
}

say_packages() {
    # shellcheck disable=SC2154
    for package in $packages; do
        found=$(dpkg-query -W -f='${db:Status-Status} ${Version}' "$package" 2>/dev/null)
        case $found in
        'installed '*) say package "$package" "${found#installed }" ;;
        *) say package "$package" '' ;;
        esac
    done
}

say_network() {
    ip -o link show type bridge 2>/dev/null | while read -r _ name _; do
        name=${name%:}
        say bridge "${name%%@*}"
    done
    ip -o addr show scope global 2>/dev/null | while read -r _ _ _ address _; do
        say address "$address"
    done
    # shellcheck disable=SC2154
    for name in $names; do
        say name "$name" "$(timeout 10 getent ahosts "$name" | sed -n '1s/ .*//p')"
    done
    # shellcheck disable=SC2154
    for port in $ports; do
        user=$(ss -Hltnp "sport = :$port" 2>/dev/null | head -n 1)
        [ -n "$user" ] || continue
        case $user in
        *'users:(("'*) user=${user#*users:((\"} && user=${user%%\"*} ;;
        *) user='' ;;
        esac
        say port "$port" "$user"
    done
}

# What of the operators' own a VM would move under: libvirt's settings that are set, with their values, and folders
# with certificates.
say_moves() {
    sed -n 's/^[[:space:]]*\(default_tls_x509_[a-z_]*\|migrate_tls_x509_[a-z_]*\)[[:space:]]*=[[:space:]]*"\{0,1\}\([^"#[:space:]]*\).*/\1 \2/p' \
        /etc/libvirt/qemu.conf 2>/dev/null | while read -r name value; do
        say move "$name" "$value"
    done
    [ -e /etc/pki/libvirt-migrate ] && say move /etc/pki/libvirt-migrate there
    [ "$(stat -f -c %T /etc/pki/qemu 2>/dev/null)" = tmpfs ] || [ -z "$(ls -A /etc/pki/qemu 2>/dev/null)" ] ||
        say move /etc/pki/qemu used
}

# The virtual machine of this host, a running one, that has this address on a network that both are on.
machine_at() {
    mac=$(ip neigh show to "$1" 2>/dev/null | sed -n 's/.* lladdr \([0-9a-f:]*\).*/\1/p' | head -n 1)
    [ -n "$mac" ] || return
    set +f
    file=$(grep -il "mac address='$mac'" /run/libvirt/qemu/*.xml 2>/dev/null | head -n 1)
    set -f
    file=${file##*/}
    printf '%s' "${file%.xml}"
}

# The key servers, by TCP alone: HOST:PORT, an IPv6 address without brackets.
say_servers() {
    # shellcheck disable=SC2154
    for server in $servers; do
        address=$(timeout 10 getent ahosts "${server%:*}" | sed -n '1s/ .*//p')
        state=unknown
        if [ -n "$address" ]; then
            timeout 2 bash -c "exec 3<>/dev/tcp/$address/${server##*:}" 2>/dev/null
            case $? in
            0) state=open ;;
            124) state=silent ;;
            *) state=refused ;;
            esac
        fi
        say server "$server" "$address" "$state" "$(machine_at "$address")"
    done
}

say_agent() {
    version=$(dpkg-query -W -f='${db:Status-Status} ${Version}' quoind 2>/dev/null)
    case $version in
    'installed '*) version=${version#installed } ;;
    *) return ;;
    esac
    json=$(head -c 4096 /var/lib/quoin/cluster.json 2>/dev/null | tr -d '\000\n')
    say agent "$version" \
        "$(printf '%s' "$json" | sed -n 's/.*"cluster_id" *: *"\([^"]*\)".*/\1/p')" \
        "$(printf '%s' "$json" | sed -n 's/^[^[]*"host" *: *"\([^"]*\)".*/\1/p')"
    case $json in
    *'"member":true'* | *'"member": true'*) say member yes ;;
    esac
}

# The whole disks that a device (major:minor) lies on, by their names in /sys/block.
disks_of() {
    [ -e "/sys/dev/block/$1" ] || return
    path=$(readlink -f "/sys/dev/block/$1")
    [ -e "$path/partition" ] && path=${path%/*}
    set +f
    for slave in "$path"/slaves/*; do
        [ -e "$slave/dev" ] && (disks_of "$(cat "$slave/dev")")
    done
    set -f
    echo "${path##*/}"
}

# "m:DISK" for each mounted one, "r:DISK" for those that the system itself lies on, "s:DISK" for swap.
used_disks() {
    while read -r _ _ device _ where rest; do
        source=${rest##* - }
        source=${source#* }
        source=${source%% *}
        case $device:$source in
        0:*:/dev/*) device=$(stat -L -c '%Hr:%Lr' "$source" 2>/dev/null) ;;
        esac
        for disk in $(disks_of "$device"); do
            echo "m:$disk"
            case $where in
            / | /usr | /var | /boot | /boot/efi | /etc) echo "r:$disk" ;;
            esac
        done
    done </proc/self/mountinfo
    while read -r source _; do
        case $source in
        /dev/*) for disk in $(disks_of "$(stat -L -c '%Hr:%Lr' "$source" 2>/dev/null)"); do echo "s:$disk"; done ;;
        esac
    done </proc/swaps
}

# The device file of a disk, by its number: /sys may show disks that this host has no file for.
node_of() {
    printf '%s\n' "$nodes" | sed -n "s|^$1 ||p" | head -n 1
}

is_zero() {
    [ "$(dd "if=$1" bs=65536 "skip=$2" count=16 iflag=fullblock 2>/dev/null | tr -d '\000' | head -c 1 | wc -c)" -eq 0 ] && [ -r "$1" ]
}

disk_flags() {
    flags=''
    [ "$(first "$sys/ro")" = 1 ] && flags="$flags,ro"
    [ "$(first "$sys/queue/rotational")" = 1 ] && flags="$flags,rotational"
    case "
$used
" in *"
m:$name
"*) flags="$flags,mounted" ;; esac
    case "
$used
" in *"
r:$name
"*) flags="$flags,root" ;; esac
    case "
$used
" in *"
s:$name
"*) flags="$flags,busy" ;;
    # Opens the disk exclusively and changes nothing; fails where somebody else has it.
    *) timeout 20 wipefs --all --no-act "$node" >/dev/null 2>&1 || flags="$flags,busy" ;; esac
    is_zero "$node" 0 && is_zero "$node" $((bytes / 65536 - 16)) && flags="$flags,zero"
    printf '%s' "${flags#,}"
}

say_mark() {
    line=$(first "$node" | tr -cd '[:print:]')
    case $line in
    'quoin-disk-1 '*)
        # shellcheck disable=SC2086
        set -- $line
        [ $# = 4 ] && say disk-mark "$2" "$3" "$4"
        ;;
    'bluestore block device')
        label=$(dd "if=$node" bs=4096 count=1 2>/dev/null | tr -c 'A-Za-z0-9_-' '\n' | grep .)
        say disk-store "$(printf '%s\n' "$label" | sed -n '/^ceph_fsid$/{n;p;q;}')" \
            "$(printf '%s\n' "$label" | sed -n '4p')"
        ;;
    esac
}

say_links() {
    for folder in by-id by-path by-uuid by-partuuid by-diskseq; do
        [ -d /dev/disk/$folder ] || continue
        find /dev/disk/$folder -type l 2>/dev/null | sort | while read -r link; do
            [ "$(readlink -f "$link")" = "$node" ] && say disk-link "$link"
        done
    done
}

ask() {
    trim "$(timeout 20 "$@" 2>/dev/null | head -n 1)"
}

say_disk() {
    name=${sys##*/}
    number=$(first "$sys/dev")
    node=$(node_of "$number")
    [ -n "$node" ] || return
    bytes=$(($(first "$sys/size") * 512))
    [ "$bytes" -gt 0 ] || return
    say disk "$node" "${number%:*}" "${number#*:}" "$bytes" "$(first "$sys/queue/logical_block_size")" \
        "$(first "$sys/queue/physical_block_size")" "$(disk_flags)"
    signature=$(ask blkid -p -o value -s TYPE "$node")
    [ -n "$signature" ] || signature=$(ask blkid -p -o value -s PTTYPE "$node")
    say disk-signature "$signature"
    uuid=$(first "$sys/uuid")
    [ -n "$uuid" ] || uuid=$(ask blkid -p -o value -s UUID "$node")
    [ -n "$uuid" ] || uuid=$(ask blkid -p -o value -s PTUUID "$node")
    serial=$(ask lsblk -dno SERIAL "$node")
    [ -n "$serial" ] || serial=$(trim "$(first "$sys/serial")")
    [ -n "$serial" ] || serial=$(trim "$(first "$sys/device/serial")")
    wwn=$(ask lsblk -dno WWN "$node")
    [ -n "$wwn" ] || wwn=$(trim "$(first "$sys/wwid")")
    say disk-id "$serial" "$wwn" "$uuid" "$(trim "$(first "$sys/device/model")")"
    say_mark
    say_links
}

say_disks() {
    used=$(used_disks | sort -u)
    # Not -type b: a device that is bound into a container is listed as the file below it.
    nodes=$(find /dev ! -type l ! -type d -exec stat -c '%F %Hr:%Lr %n' '{}' + 2>/dev/null | sed -n 's/^block special file //p')
    set +f
    set -- /sys/block/*
    set -f
    for sys; do
        case ${sys##*/} in
        ram* | zram* | sr* | fd* | '*') ;;
        *) say_disk ;;
        esac
    done
}

milliseconds() {
    date +%s%3N
}

# A device /dev/kvm that opens proves nothing: there are machines on which it runs no guest. So boot
# the firmware that the manager boots with, and see whether it comes to the point of choosing what to boot. (Seen:
# under such a KVM Linux hangs without a word, and the firmware ends in "KVM internal error" within a second.)
boots() {
    # One that fails may abort: it shall leave no core file.
    prlimit --core=0 timeout 40 qemu-system-x86_64 -nodefaults -no-user-config -accel "$1" -machine q35 -cpu "$2" -smp 1 -m 128 \
        -display none -no-reboot -chardev stdio,id=out -serial chardev:out \
        -drive "if=pflash,format=raw,readonly=on,file=$3" </dev/null 2>&1 &
    echo "pid $!"
    wait
}

answer_of() {
    while read -r line; do
        case $line in
        'pid '*) pid=${line#pid } ;;
        *BdsDxe* | *'UEFI v'* | *'UEFI Interactive'*) kill "$pid" 2>/dev/null && echo yes && return ;;
        *'internal error'* | *'failed to init'* | *'ould not access KVM'*) kill "$pid" 2>/dev/null && return ;;
        esac
    done
}

say_hypervisor() {
    code=''
    for file in /usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_CODE.fd /usr/share/edk2/ovmf/OVMF_CODE.fd; do
        [ -z "$code" ] && [ -r $file ] && code=$file
    done
    if [ -n "$code" ] && command -v qemu-system-x86_64 >/dev/null; then
        start=$(milliseconds)
        if [ -w /dev/kvm ] && [ "$(boots kvm host "$code" | answer_of)" = yes ]; then
            say hypervisor kvm $(($(milliseconds) - start)) && return
        fi
        start=$(milliseconds)
        if [ "$(boots tcg max "$code" | answer_of)" = yes ]; then
            say hypervisor tcg $(($(milliseconds) - start)) && return
        fi
    fi
    say hypervisor none 0
}

# One function, so that all of the script is read before anything runs; and nothing that runs here
# can take the rest of it from standard input.
look() {
    say quoin-facts 1
    say began "$(date +%s.%N)"
    say_system
    say_packages
    say_network
    say_servers
    say_moves
    say_agent
    say_disks
    # shellcheck disable=SC2154
    [ "$boot" = yes ] && say_hypervisor
    say ended "$(date +%s.%N)"
    say end
}

look </dev/null
