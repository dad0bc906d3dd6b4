# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What there is: one JSON document, and the same as text.

status_host_state() {
    if ! host_running "$1"; then
        echo off
    elif cgroup_frozen "$1"; then # it answers nobody
        echo frozen
    elif net_is_cut "$1"; then
        echo cut
    else
        host_booted "$1" && echo running || echo booting
    fi
}

status_disks() {
    local disk
    for disk in $(seq "$DISKS"); do
        jq -n --arg wwn "$(disk_wwn "$1" "$disk")" --arg path "/dev/disk/by-id/$(disk_scsi "$1" "$disk")" \
            --arg device "$(disk_device "$1" "$disk")" --arg file "$(disk_file "$1" "$disk")" '$ARGS.named'
    done | jq -s .
}

status_host() {
    local folder tpm=''
    folder=$(host_folder "$1")
    ! tpm_wanted "$1" || tpm=$(tpm_name)
    jq -n --arg name "$1" --arg address "$(host_address "$1")" --arg state "$(status_host_state "$1")" \
        --arg host_key "$(ssh-keygen -lf "$folder/ssh_host_ed25519_key.pub" | cut -d' ' -f2)" \
        --arg root "$folder/root" --arg tpm "$tpm" --argjson disks "$(status_disks "$1")" \
        --argjson leader "$(host_leader "$1" | grep . || echo null)" \
        '$ARGS.named | if .tpm == "" then .tpm = null else . end'
}

status_kmip() {
    if cgroup_busy kmip; then echo running; elif [ -d "$(kmip_folder)" ]; then echo stopped; else echo none; fi
}

status_json() {
    local host hosts
    hosts=$(for host in $(hosts_made); do status_host "$host"; done | jq -s .)
    jq -n --arg folder "$LAB" --arg key "$LAB/lab.key" --arg bridge "$BRIDGE" \
        --arg gateway "$NETWORK.1" --argjson hosts "$hosts" \
        --argjson kmip "$(jq -n --arg state "$(status_kmip)" --arg server "$NETWORK.1:$KMIP_PORT" '$ARGS.named')" \
        '$ARGS.named | .up = (.hosts | length > 0)'
}

lab_status() {
    local form=text
    case ${1-} in
    -o) form=${2-} ;;
    '') ;;
    *) refuse "status: unknown option '$1'" ;;
    esac
    case $form in
    json) status_json ;;
    text) status_json | status_text ;;
    *) refuse "status: -o is text or json" ;;
    esac
}

status_text() {
    jq -r '"folder  \(.folder)",
        "key     \(.key)",
        "kmip    \(.kmip.state)" + (if .kmip.state == "running" then " \(.kmip.server)" else "" end),
        (.hosts[] | "\(.name)      \(.state) \(.address) \(.host_key)\(if .tpm then " tpm" else "" end)"),
        (if .up then empty else "the lab is down" end)'
}
