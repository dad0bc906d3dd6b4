# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The network: one bridge here, one cable (veth) to each host, and nothing that leads further. The
# unreachable route comes first and goes last, so that no packet for the hosts ever leaves the machine.

BRIDGE=quoin0
BRIDGE_MAC=02:0a:4d:00:00:01 # its own, so that it does not change with each cable
FALLBACK_METRIC=4294967295   # worse than any other route: the bridge's own wins while it is up
NO_WAY_OUT=7700              # priority of the rule that ends what comes from a host for elsewhere

# The name that systemd-nspawn gives to the outer end of a host's cable.
net_cable() {
    echo "vb-$1"
}

net_up() {
    ip route replace unreachable "$NETWORK.0/24" metric "$FALLBACK_METRIC"
    ip link show "$BRIDGE" >/dev/null 2>&1 && return
    [ -n "$(ip rule show pref "$NO_WAY_OUT")" ] || ip rule add pref "$NO_WAY_OUT" iif "$BRIDGE" unreachable
    ip link add "$BRIDGE" address "$BRIDGE_MAC" type bridge stp_state 0 forward_delay 0
    sysctl -qw "net.ipv6.conf.$BRIDGE.disable_ipv6=1" "net.ipv4.conf.$BRIDGE.forwarding=0"
    ip addr add "$NETWORK.1/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
}

net_down() {
    ip link del "$BRIDGE" 2>/dev/null || true
    ip rule del pref "$NO_WAY_OUT" 2>/dev/null || true
    ip route del unreachable "$NETWORK.0/24" metric "$FALLBACK_METRIC" 2>/dev/null || true
}

net_cut() {
    ip link set "$(net_cable "$1")" down
}

# What goes between hosts over the one cable, by port: the datastore's monitors and disks, or all that
# manages a host (SSH and the agent's door).
NET_STORAGE='{ 3300, 6789, 6800-7568 }'
NET_MANAGEMENT='{ 22, 7443 }'

# The host's own network namespace, with this machine's nft.
net_rules() {
    nsenter -t "$(host_leader "$1")" -n nft -f -
}

net_cut_part() {
    local ports=$NET_STORAGE
    [ "$2" = storage ] || ports=$NET_MANAGEMENT
    net_rules "$1" <<TEXT
add table inet quoin-lab-$2
add chain inet quoin-lab-$2 in { type filter hook input priority 0; }
add chain inet quoin-lab-$2 out { type filter hook output priority 0; }
add rule inet quoin-lab-$2 in iifname != "lo" tcp dport $ports drop
add rule inet quoin-lab-$2 in iifname != "lo" tcp sport $ports drop
add rule inet quoin-lab-$2 out oifname != "lo" tcp dport $ports drop
add rule inet quoin-lab-$2 out oifname != "lo" tcp sport $ports drop
TEXT
}

net_join() {
    ip link set "$(net_cable "$1")" up
    net_rules "$1" <<TEXT
add table inet quoin-lab-storage
delete table inet quoin-lab-storage
add table inet quoin-lab-management
delete table inet quoin-lab-management
TEXT
}

# The kernel takes a dead host's cable away in its own time; the next one needs the name now.
net_unplug() {
    ip link del "$(net_cable "$1")" 2>/dev/null || true
}

net_is_cut() {
    [[ ! $(ip -o link show "$(net_cable "$1")" 2>/dev/null) =~ [\<,]UP[,\>] ]]
}
