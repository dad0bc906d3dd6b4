# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The TPMs: one swtpm per host. Its state stays out of the host's sight; the host sees a folder with the
# two sockets, and /etc/quoin/tpm.env tells the name under which tpm2-tss finds them.

TPM_SEEN=/var/lib/quoin-lab-tpm

tpm_wanted() {
    [ -d "$(host_folder "$1")/tpm" ]
}

tpm_make() {
    local folder
    folder=$(host_folder "$1")
    tpm_wanted "$1" && return
    install -d -m 700 "$folder/tpm-state"
    swtpm_setup --tpm2 --tpmstate "$folder/tpm-state" --createek --pcr-banks sha256 --overwrite \
        >"$folder/tpm.log" 2>&1 || die "$1: no TPM was made; see $folder/tpm.log"
    mkdir "$folder/tpm"
}

tpm_start() {
    local folder
    folder=$(host_folder "$1")
    tpm_wanted "$1" || return 0
    rm -f "$folder"/tpm/*
    cgroup_spawn "tpm-$1" "$folder/tpm.log" swtpm socket --tpm2 --tpmstate "dir=$folder/tpm-state" \
        --server "type=unixio,path=$folder/tpm/swtpm.sock" \
        --ctrl "type=unixio,path=$folder/tpm/swtpm.sock.ctrl" --flags not-need-init,startup-clear
    within 10 test -S "$folder/tpm/swtpm.sock.ctrl" || die "$1: its TPM does not start"
}

tpm_stop() {
    cgroup_kill "tpm-$1"
}

tpm_name() {
    echo "swtpm:path=$TPM_SEEN/swtpm.sock"
}
