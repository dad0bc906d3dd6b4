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

net_join() {
    ip link set "$(net_cable "$1")" up
}

# The kernel takes a dead host's cable away in its own time; the next one needs the name now.
net_unplug() {
    ip link del "$(net_cable "$1")" 2>/dev/null || true
}

net_is_cut() {
    [[ ! $(ip -o link show "$(net_cable "$1")" 2>/dev/null) =~ [\<,]UP[,\>] ]]
}
