# The daemons of both hosts: configuration, start, end, and what is looked at while they run. Sourced by run.sh.
# shellcheck shell=sh disable=SC2154 # names of run.sh and network.sh

# off or auto, of the daemons that are started next.
port_mapping=off
# folder or dht.
plugin=folder

# write_config a|b: $work/a.yaml, for the daemon of that host in its jail, $where.
write_config() {
    case $1 in
    a) where=$hosta device=$wg_a far=$key_b target=10.99.0.2 ;;
    *) where=$hostb device=$wg_b far=$key_a target=10.99.0.1 ;;
    esac
    cat >"$work/$1.yaml" <<YAML
refresh_interval: 10m
run_dir: $work/run-$1
state_dir: $work/state-$1
log: { level: debug }
stun: { addresses: ["192.0.2.1:3478", "192.0.2.2:3478"] }
plugins:
  folder: { type: builtin, name: file, path: $work/store }
  dht: { type: builtin, name: dht, bootstrap: ["192.0.2.1:6881"] }
interfaces:
  $device:
    port_mapping: $port_mapping
    peers:
      far: { public_key: "$far", plugin: $plugin, ping: { enabled: true, target: $target } }
YAML
    [ -z "$CAPTURE" ] || echo "capture: $CAPTURE" >>"$work/$1.yaml"
}

# start_daemon a|b
start_daemon() {
    write_config "$1"
    rm -f "$work/$1.status" "$work/$1.pid"
    (
        # shellcheck disable=SC2016 # for the inner shell
        sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$work/$1.pid" \
            jexec "$where" "$runtime" "$BUNDLE/stunmesh.js" -c "$work/$1.yaml" >>"$work/$1.log" 2>&1 </dev/null
        echo $? >"$work/$1.status"
    ) &
}

answers() {
    [ ! -f "$work/$1.status" ] || { echo "the daemon ended with status $(cat "$work/$1.status")" && return 1; }
    "$runtime" "$BUNDLE/stunmesh.js" status --run-dir "$work/run-$1"
}

ended() {
    [ -f "$work/$1.status" ]
}

# stop_daemon a|b: by SIGTERM; well only with exit status 0.
stop_daemon() {
    [ -f "$work/$1.pid" ] || return 0
    ended "$1" || kill "$(cat "$work/$1.pid")" || true
    within 10 ended "$1" || { kill -KILL "$(cat "$work/$1.pid")"; within 10 ended "$1"; return 1; }
    code=$(cat "$work/$1.status")
    rm -f "$work/$1.pid"
    say "daemon $1 ended with status $code"
    [ "$code" = 0 ]
}

# How often daemon a has learned its public address.
discoveries() {
    "$runtime" "$BUNDLE/stunmesh.js" status --json --run-dir "$work/run-a" 2>/dev/null |
        sed -n 's/.*"discoveries":\([0-9][0-9]*\).*/\1/p' | head -n 1
}

discovered_since() {
    now=$(discoveries)
    echo "discoveries: ${1:-none} before, ${now:-none} now"
    [ "${now:-0}" -gt "${1:-0}" ]
}

unchanged() {
    [ "$(cat "$work/$1.pid")" = "$2" ] && ! ended "$1"
}

ping_ab() {
    jexec "$hosta" ping -n -c 1 -t 2 10.99.0.2
}

ping_ba() {
    jexec "$hostb" ping -n -c 1 -t 2 10.99.0.1
}

# mapping_is one|several a|b: what the two STUN addresses see of one port.
mapping_is() {
    case $2 in
    a) where=$hosta ;;
    *) where=$hostb ;;
    esac
    seen=$(jexec "$where" "$runtime" "$here/mapping.mjs" 40000 192.0.2.1:3478 192.0.2.2:3478 2>&1) || { echo "$seen" && return 1; }
    echo "$seen"
    case $seen in
    *"mapping: $1"*) return 0 ;;
    *) return 1 ;;
    esac
}

# connects TITLE NAT_A MAPPING_A NAT_B: fresh daemons and fresh peers behind these NATs.
connects() {
    say "== $1: NAT a has $2.conf, NAT b has $4.conf"
    # First nobody sends: a packet of the tunnel before, met by a NAT without states, would be one that nobody asked for.
    stop_daemon a >/dev/null 2>&1
    stop_daemon b >/dev/null 2>&1
    shown fresh_peer a && shown fresh_peer b || { not_ok "$1: fresh peers" && return 1; }
    if ! shown set_nat a "$2" || ! shown set_nat b "$4"; then
        not_ok "$1: pf takes the rules"
        return 1
    fi
    check "$1: the NAT of host a gives one port $3 to two servers" mapping_is "$3" a
    rm -rf "$work/store" "$work/state-a" "$work/state-b"
    mkdir -m 700 "$work/store"
    : >"$work/a.log"
    : >"$work/b.log"
    start_daemon a
    start_daemon b
    check "$1: both daemons answer" within "$PATIENCE" both_answer
    check "$1: a ping goes through the tunnel" within "$PATIENCE" ping_ab
    check "$1: and the other way" within "$PATIENCE" ping_ba
    shown answers a
    say "the store has $(find "$work/store" -type f | wc -l | tr -d ' ') files"
}

both_answer() {
    answers a && answers b
}
