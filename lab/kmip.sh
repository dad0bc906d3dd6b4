# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The key server: PyKMIP's, as Debian ships it, with a CA of its own and one client. It speaks TLS 1.2 only
# and wants client certificates meant for clients. Its keys outlive a stop, not a `down`.

KMIP_PORT=5696

kmip_folder() { echo "$LAB/kmip"; }

# A key and a certificate signed by the key server's CA: NAME SUBJECT EXTENSIONS
kmip_certify() {
    local folder name=$1 subject=$2 extensions=$3
    folder=$(kmip_folder)
    openssl req -new -newkey rsa:2048 -nodes -keyout "$folder/$name.key" -subj "$subject" 2>/dev/null |
        openssl x509 -req -days 3650 -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
            -extfile <(echo "$extensions") -out "$folder/$name.pem" 2>/dev/null
}

kmip_make() {
    local folder
    folder=$(kmip_folder)
    [ ! -f "$LAB/client.pem" ] || return 0
    install -d -m 700 "$folder" "$folder/policy"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout "$folder/ca.key" -out "$folder/ca.pem" \
        -subj '/CN=quoin lab key server CA' -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
    kmip_certify server '/CN=quoin lab key server' \
        "subjectAltName=IP:$NETWORK.1"$'\n''extendedKeyUsage=serverAuth'$'\n''basicConstraints=CA:FALSE'
    kmip_certify client '/CN=quoin' 'extendedKeyUsage=clientAuth'$'\n''basicConstraints=CA:FALSE'
    kmip_configure >"$folder/server.conf"
    cp "$folder/ca.pem" "$LAB/ca.pem"
    install -m 600 -o "$(owner | cut -d: -f1)" -g "$(owner | cut -d: -f2)" "$folder/client.key" "$LAB/client.key"
    cp "$folder/client.pem" "$LAB/client.pem"
}

kmip_configure() {
    local folder
    folder=$(kmip_folder)
    cat <<TEXT
[server]
hostname=$NETWORK.1
port=$KMIP_PORT
certificate_path=$folder/server.pem
key_path=$folder/server.key
ca_path=$folder/ca.pem
auth_suite=TLS1.2
policy_path=$folder/policy
enable_tls_client_auth=True
logging_level=INFO
database_path=$folder/pykmip.db
TEXT
}

kmip_start() {
    cgroup_busy kmip && return
    net_up
    kmip_make
    cgroup_spawn kmip "$(kmip_folder)/console.log" /usr/bin/python3 -c \
        'import sys; from kmip.services.server import server; sys.argv[0] = "pykmip-server"; server.main()' \
        --config_path "$(kmip_folder)/server.conf" --log_path "$(kmip_folder)/server.log"
    within 30 kmip_listens || die "the key server does not start; see $(kmip_folder)/console.log"
}

kmip_listens() {
    [ -n "$(ss -Hltn "src $NETWORK.1:$KMIP_PORT")" ]
}

kmip_freeze() { echo 1 >"$(cgroup_root)/kmip/cgroup.freeze"; }
kmip_thaw() { ! cgroup_busy kmip || echo 0 >"$(cgroup_root)/kmip/cgroup.freeze"; }

kmip_stop() {
    kmip_thaw
    cgroup_kill kmip
}
