# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The disks: loop devices over sparse files. No udev runs in a host, so the links that it would make under
# /dev/disk/by-id are told to the host's systemd-tmpfiles, which makes them at each boot.

# Each of a host's OSDs takes its share of the kernel's asynchronous requests, and all hosts share one
# kernel; so many as Ceph's own package asks for.
AIO_REQUESTS=1048576
AIO_SETTING=/proc/sys/fs/aio-max-nr

disks_allow_many() {
    [ -f "$LAB/aio-max-nr" ] || cat "$AIO_SETTING" >"$LAB/aio-max-nr"
    [ "$(<"$AIO_SETTING")" -ge "$AIO_REQUESTS" ] || echo "$AIO_REQUESTS" >"$AIO_SETTING"
}

disks_allow_few() {
    [ ! -f "$LAB/aio-max-nr" ] || cat "$LAB/aio-max-nr" >"$AIO_SETTING"
}

disk_file() {
    echo "$(host_folder "$1")/disk$2.img"
}

# The loop device under a disk, or nothing.
disk_device() {
    losetup -nl -O NAME -j "$(disk_file "$1" "$2")"
}

disk_wwn() {
    printf '0x5000c5000000%02d%02d' "$(host_number "$1")" "$2"
}

disk_scsi() {
    echo "scsi-quoin-$1-$2"
}

disks_make() {
    local host=$1 disk
    for disk in $(seq "$DISKS"); do
        [ -f "$(disk_file "$host" "$disk")" ] || truncate -s "$DISK_SIZE" "$(disk_file "$host" "$disk")"
        [ -n "$(disk_device "$host" "$disk")" ] ||
            losetup --find --direct-io=off "$(disk_file "$host" "$disk")"
        disk_node "$(disk_device "$host" "$disk")"
    done
}

# Where /dev is not the kernel's own, a new loop device has no node yet. Its owner is what udev would give
# a disk at each boot.
disk_node() {
    [ -b "$1" ] || mknod "$1" b 7 "${1#/dev/loop}"
    chown root:disk "$1"
    chmod 660 "$1"
}

disks_links() {
    local host=$1 disk device name
    for disk in $(seq "$DISKS"); do
        device=$(disk_device "$host" "$disk")
        for name in "wwn-$(disk_wwn "$host" "$disk")" "$(disk_scsi "$host" "$disk")"; do
            echo "L+ /dev/disk/by-id/$name - - - - ../../${device#/dev/}"
        done
    done
}

disks_remove() {
    local disk device
    for disk in $(seq "$DISKS"); do
        device=$(disk_device "$1" "$disk")
        [ -z "$device" ] || losetup -d "$device"
    done
}
