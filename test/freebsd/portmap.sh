# A router that maps ports: miniupnpd over pf in NAT a, which without it nobody comes in by. Sourced by run.sh.
# shellcheck shell=sh disable=SC2154 # names of run.sh and network.sh
#
# NAT a has a public address more for it: on one of the documentation's networks miniupnpd maps nothing.

mapped_address=45.66.77.11

make_mapping_nat() {
    jexec "$nata" ifconfig "$wan_a" inet "$mapped_address/32" alias &&
        jexec "$pub" route -q add "$mapped_address/32" 198.51.100.2 &&
        set_nat a mapped && set_nat b default
}

start_miniupnpd() {
    cat >"$work/miniupnpd.conf" <<CONF
ext_ifname=$wan_a
ext_ip=$mapped_address
listening_ip=$lan_nat_a
enable_natpmp=yes
enable_upnp=yes
http_port=5000
secure_mode=yes
system_uptime=no
uuid=68555350-3352-3883-2883-335030522880
allow 1024-65535 10.1.1.0/24 1024-65535
CONF
    jexec "$nata" miniupnpd -d -f "$work/miniupnpd.conf" -P "$work/miniupnpd.pid" >"$work/miniupnpd.log" 2>&1 </dev/null &
    others="$! $others"
}

says_mapped() {
    answers a | grep -F "maps $mapped_address:"
}

try_port_mapping() {
    say '== the router of host a maps ports'
    if ! command -v miniupnpd >/dev/null; then
        skip 'port mapping: by miniupnpd' 'there is no miniupnpd in PATH (pkg install miniupnpd)'
        return 0
    fi
    stop_daemon a >/dev/null 2>&1
    stop_daemon b >/dev/null 2>&1
    rm -rf "$work/store" "$work/state-a" "$work/state-b"
    mkdir -m 700 "$work/store"
    if ! shown make_mapping_nat || ! shown fresh_peer a || ! shown fresh_peer b; then
        not_ok 'port mapping: pf takes the rules of miniupnpd'
        return 0
    fi
    start_miniupnpd
    port_mapping=auto
    start_daemon a
    port_mapping=off
    start_daemon b
    check 'port mapping: status names the mapped port' within "$PATIENCE" says_mapped
    check 'port mapping: a ping comes in by it' within "$PATIENCE" ping_ba
    shown jexec "$nata" pfctl -a miniupnpd -s nat
    check 'port mapping: SIGTERM ends the daemon with status 0, and gives the port back' stop_daemon a
    redact <"$work/miniupnpd.log" | tail -n 10 | sed 's/^/#   /'
    # What is translated to "the interface's address" has one to choose again.
    shown jexec "$nata" ifconfig "$wan_a" inet "$mapped_address" -alias
}
