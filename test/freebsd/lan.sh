# Hosts a and b on one LAN behind one pf that does not lead packets to its public address back in. Sourced by run.sh, as its last step:
# host b does not go home again.
# shellcheck shell=sh disable=SC2154 # names of run.sh and network.sh

lan_bridge=''

# An if_bridge in NAT a takes the place of its end of host a's epair; host b gets an epair more, and its own way out is down.
make_one_lan() {
    lan_bridge=$(jexec "$nata" ifconfig bridge create) || return 1
    make_link "$hostb" 10.1.1.3/24 "$nata" || return 1
    jexec "$nata" ifconfig "$lan_nat_a" inet 10.1.1.1 -alias &&
        jexec "$nata" ifconfig "$lan_bridge" addm "$lan_nat_a" addm "$end2" &&
        jexec "$nata" ifconfig "$lan_bridge" inet 10.1.1.1/24 up || return 1
    lan_nat_a=$lan_bridge
    jexec "$hostb" ifconfig "$lan_host_b" down
    set_default "$hostb" 10.1.1.1 && set_default "$hosta" 10.1.1.1
}

by_lan() {
    answers a | grep -F '10.1.1.3:51820' && answers b | grep -F '10.1.1.2:51820'
}

try_one_lan() {
    say '== both hosts on one LAN, behind NAT a'
    stop_daemon a >/dev/null 2>&1
    stop_daemon b >/dev/null 2>&1
    rm -rf "$work/store" "$work/state-a" "$work/state-b"
    mkdir -m 700 "$work/store"
    if ! make_one_lan >"$work/lan.log" 2>&1 || ! set_nat a lan >>"$work/lan.log" 2>&1; then
        redact <"$work/lan.log" | sed 's/^/#   /'
        not_ok 'one LAN: it is made'
        return 0
    fi
    ok "one LAN: $lan_bridge in NAT a"
    shown fresh_peer a && shown fresh_peer b || { not_ok 'one LAN: fresh peers' && return 0; }
    start_daemon a
    start_daemon b
    check 'one LAN: both daemons answer' within "$PATIENCE" both_answer
    check 'one LAN: a ping goes through the tunnel' within "$PATIENCE" ping_ab
    check 'one LAN: and the other way' within "$PATIENCE" ping_ba
    check 'one LAN: the tunnel goes by its addresses' within "$PATIENCE" by_lan
    shown answers a
}
