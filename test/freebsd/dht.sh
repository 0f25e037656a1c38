# A pair whose records lie in the DHT: a small network of nodes in the jail of the STUN server. Sourced by run.sh.
# shellcheck shell=sh disable=SC2154 # names of run.sh and network.sh

try_dht() {
    jexec "$pub" "$runtime" "$here/dht-nodes.mjs" 192.0.2.1 6881 12 >"$work/dht.log" 2>&1 </dev/null &
    others="$! $others"
    check 'DHT: its nodes listen' within 20 grep -q '^ready' "$work/dht.log"
    plugin=dht
    connects 'DHT' static-port one static-port
    check 'DHT: nodes hold the records of both' holds_two
    stop_daemon a >/dev/null 2>&1
    stop_daemon b >/dev/null 2>&1
    plugin=folder
}

# Each record is put to several nodes; which of two a line speaks of follows from none of it, so: in number.
holds_two() {
    held=$(grep -c 'holds an item' "$work/dht.log")
    echo "$held items taken"
    [ "$held" -ge 6 ]
}
