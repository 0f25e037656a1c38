#!/bin/sh
# stunmesh on a real FreeBSD kernel: two hosts behind two pf NATs, in jails of this machine. Run as root:
#
#     JS=node sh run.sh [BUNDLE]        BUNDLE: what `npm run bundle -- --platform freebsd-x64` wrote
#
# It needs FreeBSD 13 or newer (13: wireguard-kmod), wg(8), and the runtime JS=node, bun or a path of one of them.
# Says what it does as TAP. Exit status: 0 all passed, 1 something failed, 2 it cannot be run here.
# Everything it makes is a jail, an epair or a file below one temporary folder, and goes again at the end, however that comes.
# KEEP=1 keeps the folder with the logs, without the keys.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
JS=${JS:-node}
case $(uname -m) in
arm64 | aarch64) arch=arm64 ;;
*) arch=x64 ;;
esac
BUNDLE=${1:-${BUNDLE:-$here/../../build/stunmesh-freebsd-$arch}}
KEEP=${KEEP:-0}
# Another capture module than the platform's own; stand-ins for rc.subr(8) and daemon(8).
CAPTURE=${CAPTURE:-}
RC_SUBR=${RC_SUBR:-/etc/rc.subr}
DAEMON=${DAEMON:-}
# Generous: virtual machines are slow, and what is measured here is whether, not when.
PATIENCE=${PATIENCE:-60}

# shellcheck source=test/freebsd/lib.sh
. "$here/lib.sh"
# shellcheck source=test/freebsd/network.sh
. "$here/network.sh"
# shellcheck source=test/freebsd/daemons.sh
. "$here/daemons.sh"
# shellcheck source=test/freebsd/service.sh
. "$here/service.sh"
# shellcheck source=test/freebsd/portmap.sh
. "$here/portmap.sh"
# shellcheck source=test/freebsd/dht.sh
. "$here/dht.sh"
# shellcheck source=test/freebsd/lan.sh
. "$here/lan.sh"

mark="smt$$"
pub="${mark}pub" transit="${mark}transit" nata="${mark}nata" natb="${mark}natb" hosta="${mark}hosta" hostb="${mark}hostb"
work=''
others=''

unable() {
    echo "Bail out! $1"
    exit 2
}

# --- what this machine has -----------------------------------------------------------------------------------------------

[ "$(uname -s)" = FreeBSD ] || unable "this is $(uname -s), not FreeBSD"
release=$(uname -r)
case ${release%%.*} in
*[!0-9]* | '' | ? | 10 | 11 | 12) unable "FreeBSD $release is too old: 13 or newer is needed" ;;
esac
[ "$(id -u)" = 0 ] || unable 'run it as root: it makes jails and network interfaces'
[ "$(sysctl -n kern.features.vimage 2>/dev/null)" = 1 ] || unable 'this kernel has no VIMAGE, so jails cannot have networks of their own'
for each in wg jail jexec ifconfig pfctl route kldload sysctl ping mktemp; do
    command -v "$each" >/dev/null || unable "there is no $each in PATH$([ "$each" = wg ] && echo ' (pkg install wireguard-tools)')"
done
runtime=$(command -v "$JS") || unable "there is no $JS in PATH; JS=node (pkg install node), JS=bun, or a path"
case $runtime in
/*) ;;
*) runtime=$PWD/$runtime ;;
esac
[ -f "$BUNDLE/stunmesh.js" ] || unable "there is no bundle in $BUNDLE; name its folder: sh run.sh BUNDLE"
BUNDLE=$(CDPATH='' cd -- "$BUNDLE" && pwd)
addon=$BUNDLE/stunmesh_capture.node
[ -f "$addon" ] || unable "the bundle has no addon: $addon"

# --- the end, however it comes ---------------------------------------------------------------------------------------------

# evidence WHY: what a person elsewhere needs to see of a failure; no keys.
evidence() {
    [ -n "$work" ] || return 0
    say "---- evidence: $1"
    {
        for each in $jails; do
            echo "== $each"
            jexec "$each" ifconfig -a 2>&1
            jexec "$each" netstat -rn -f inet 2>&1
            jexec "$each" sockstat -46 2>&1
        done
        for each in $jails; do
            [ "$each" != "$pub" ] && [ "$each" != "$transit" ] && [ "$each" != "$hostb" ] || continue
            echo "== pf in $each"
            jexec "$each" pfctl -s nat 2>&1
            jexec "$each" pfctl -s rules 2>&1
            jexec "$each" pfctl -s states 2>&1
        done
        for each in a b; do
            echo "== WireGuard of host $each"
            case $each in
            a) [ -z "$wg_a" ] || jexec "$hosta" wg show "$wg_a" 2>&1 ;;
            *) [ -z "$wg_b" ] || jexec "$hostb" wg show "$wg_b" 2>&1 ;;
            esac
            echo "== daemon $each"
            "$runtime" "$BUNDLE/stunmesh.js" status --run-dir "$work/run-$each" 2>&1
            [ ! -f "$work/$each.log" ] || tail -n 40 "$work/$each.log"
        done
        [ ! -f "$work/service.log" ] || { echo '== service' && tail -n 40 "$work/service.log"; }
        [ ! -f "$work/dht.log" ] || { echo '== DHT' && tail -n 20 "$work/dht.log"; }
        [ ! -f "$work/stun.log" ] || { echo '== STUN server' && tail -n 20 "$work/stun.log"; }
        echo '== kernel' && dmesg 2>/dev/null | tail -n 10
    } </dev/null | redact | sed 's/^/#   /'
    say '---- end of evidence'
}

cleaned=no
cleanup() {
    status=$?
    trap '' INT TERM HUP
    [ "$cleaned" = no ] || return "$status"
    cleaned=yes
    [ -z "$current" ] || kill "$current" 2>/dev/null
    [ -z "$work" ] || end_service
    for each in a b; do
        [ ! -f "$work/$each.pid" ] || ended "$each" || kill "$(cat "$work/$each.pid")" 2>/dev/null
    done
    for each in a b; do
        [ ! -f "$work/$each.pid" ] || within 10 ended "$each" || kill -KILL "$(cat "$work/$each.pid")" 2>/dev/null
    done
    for each in $others; do kill "$each" 2>/dev/null; done
    [ -z "$wg_a" ] || jexec "$hosta" ifconfig "$wg_a" destroy 2>/dev/null
    [ -z "$wg_b" ] || jexec "$hostb" ifconfig "$wg_b" destroy 2>/dev/null
    # Ends what is left of processes in them, too.
    remove_network
    if [ -n "$work" ]; then
        rm -f "$work/a.key" "$work/b.key"
        if [ "$KEEP" = 1 ]; then say "kept: $work"; else rm -rf "$work"; fi
    fi
    say "cleaned up; kernel modules that were loaded stay loaded"
    return "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- the scenario ----------------------------------------------------------------------------------------------------------

echo 'TAP version 13'
work=$(mktemp -d "${TMPDIR:-/tmp}/stunmesh-freebsd.XXXXXX") || unable 'no temporary folder'
say "FreeBSD $release, $(uname -m), $("$runtime" --version 2>&1 | head -n 1) ($runtime), $(wg --version 2>&1 | head -n 1)"
must 'the bundle runs' "$runtime" "$BUNDLE/stunmesh.js" --version
say 'FreeBSD 13 has if_wg in the package wireguard-kmod'
for each in if_epair if_bridge if_wg pf; do
    must "the kernel has $each" kldload -n "$each"
done
# Not through a pipe or $(...): these functions leave names in variables.
if make_network >"$work/network.log" 2>&1; then ok 'six jails with networks of their own'; else
    redact <"$work/network.log" | sed 's/^/#   /'
    not_ok 'six jails with networks of their own'
    bail 'there is no network to test in'
fi
say "host a $lan_host_a - $lan_nat_a NAT a $wan_a; host b $lan_host_b - $lan_nat_b NAT b $wan_b"
jexec "$pub" "$runtime" "$here/stun-server.mjs" 192.0.2.1:3478 192.0.2.2:3478 >"$work/stun.log" 2>&1 </dev/null &
others="$! $others"
must 'the STUN server listens on two addresses' within 20 grep -q 'listening on 192.0.2.2:3478' "$work/stun.log"

# The addon alone: bpf sees frames before pf, and there are no rules yet.
jexec "$pub" ping -n -c 1 -t 1 198.51.100.2 >/dev/null 2>&1
(
    jexec "$nata" "$runtime" "$here/addon-selftest.mjs" "$addon" "$wan_a" >"$work/addon.log" 2>&1 </dev/null
    echo $? >"$work/addon.status"
) &
addon_has() {
    grep -q "$1" "$work/addon.log"
}
addon_ended() {
    [ -f "$work/addon.status" ] || {
        jexec "$pub" "$runtime" "$here/addon-selftest.mjs" send 198.51.100.2
        return 1
    }
}
check 'addon: /dev/bpf opens, takes the filter and listens' within 20 addon_has '^listening on'
within 40 addon_ended
redact <"$work/addon.log" | sed 's/^/#   /'
check 'addon: frames of STUN success and error responses are read' addon_has '^frame error'
check 'addon: the filter kept all others out, and no frame was lost' grep -q '^0$' "$work/addon.status"

if make_wireguard a >"$work/wg.log" 2>&1 && make_wireguard b >>"$work/wg.log" 2>&1; then
    ok "if_wg in both host jails ($wg_a, $wg_b)"
else
    redact <"$work/wg.log" | sed 's/^/#   /'
    not_ok 'if_wg in both host jails'
    bail 'there is no WireGuard to test with'
fi

connects 'static-port' static-port one static-port
pid=$(cat "$work/a.pid" 2>/dev/null)
count=$(discoveries)

say '== the underlay interface of host a is destroyed and made again while the daemon runs'
if destroy_lan a >"$work/again.log" 2>&1 && make_lan a >>"$work/again.log" 2>&1 && set_nat a static-port >>"$work/again.log" 2>&1; then
    ok "destroyed and made again: $lan_host_a"
    check 'the tunnel comes back after that' within "$PATIENCE" ping_ab
    check 'and the daemon is the same process' unchanged a "$pid"
    check 'and has asked a STUN server again, through the new interface' within "$PATIENCE" discovered_since "$count"
else
    redact <"$work/again.log" | sed 's/^/#   /'
    not_ok 'an interface destroyed and made again'
fi

say '== the WireGuard device of host a is destroyed and made again while the daemon runs'
before=$wg_a
if shown jexec "$hosta" ifconfig "$wg_a" destroy && make_wireguard a >"$work/again.log" 2>&1 && [ "$wg_a" = "$before" ]; then
    shown fresh_peer a
    check 'a WireGuard device that was made again is connected again' within "$PATIENCE" ping_ab
    check 'by the same daemon' unchanged a "$pid"
else
    redact <"$work/again.log" | sed 's/^/#   /'
    not_ok "a WireGuard device made again (as $before, now ${wg_a:-none})"
fi

connects 'routers that let unsolicited UDP in' unsolicited one unsolicited

try_dht

connects 'default ports against a port forward' default several forwarded

if shown pf_test endpoint-independent; then
    connects 'endpoint-independent' endpoint-independent one endpoint-independent
else
    skip 'endpoint-independent: a tunnel' "this pf does not have the word"
fi

try_service

try_port_mapping

say '== pf on the WireGuard host itself rewrites the source port'
set_nat a static-port >/dev/null 2>&1
set_nat b forwarded >/dev/null 2>&1
if shown jexec "$hosta" pfctl -q -D "lan=$lan_host_a" -D host=10.1.1.2 -f "$here/pf/own-host.conf"; then
    jexec "$hosta" pfctl -q -e 2>/dev/null || true
    stop_daemon a
    : >"$work/a.log"
    start_daemon a
    check 'the daemon names static-port as the remedy' within "$PATIENCE" grep -q 'static-port' "$work/a.log"
    jexec "$hosta" pfctl -q -d 2>/dev/null || true
else
    not_ok 'pf on the WireGuard host takes the rules'
fi

try_one_lan

check 'SIGTERM ends daemon a with status 0' stop_daemon a
check 'SIGTERM ends daemon b with status 0' stop_daemon b
no_secrets() {
    ! grep -q -F -f "$work/a.key" -f "$work/b.key" "$work/a.log" "$work/b.log" "$work/service.log" 2>/dev/null
}
check 'no private key is in the logs' no_secrets
finish
