# Jails, epairs, pf and WireGuard of the scenario, and their removal. Sourced by run.sh.
# shellcheck shell=sh
#
#   hosta 10.1.1.2 --- nata 198.51.100.2 --- pub: STUN on 192.0.2.1 and 192.0.2.2
#                                             |
#   hostb 10.1.2.2 --- natb 203.0.113.2 -- transit
#
# Two routers lie between the NATs, so that a packet can open the near one and die before the far one.
# Everything has a network stack of its own (vnet); nothing touches the machine's own interfaces, routes or pf rules.

jails=''
links=''
lan_host_a='' lan_nat_a='' wan_a='' wg_a='' key_a=''
lan_host_b='' lan_nat_b='' wan_b='' wg_b='' key_b=''

make_jail() {
    jail -c "name=$1" "host.hostname=$1" path=/ vnet persist allow.raw_sockets || return 1
    jails="$1 $jails"
    jexec "$1" ifconfig lo0 inet 127.0.0.1/8 up
}

# make_link JAIL ADDRESS JAIL [ADDRESS]: an epair between two jails; its ends are left in $end1 and $end2.
make_link() {
    end1=$(ifconfig epair create) || return 1
    case $end1 in
    epair*a) ;;
    *)
        say "ifconfig epair create said: $end1"
        return 1
        ;;
    esac
    end2="${end1%a}b"
    links="$end1 $links"
    # Checksums that are left to hardware which is not there reach pf, and bpf, unfinished.
    ifconfig "$end1" -txcsum -rxcsum >/dev/null 2>&1 || true
    ifconfig "$end2" -txcsum -rxcsum >/dev/null 2>&1 || true
    ifconfig "$end1" vnet "$1" && jexec "$1" ifconfig "$end1" inet "$2" up &&
        ifconfig "$end2" vnet "$3" && jexec "$3" ifconfig "$end2" ${4:+inet "$4"} up
}

# set_default JAIL GATEWAY: one may have outlived its interface.
set_default() {
    jexec "$1" route -q delete default >/dev/null 2>&1 || true
    jexec "$1" route -q add default "$2"
}

# make_lan a|b: host and NAT; leaves the interfaces in lan_host_a, lan_nat_a (or _b).
make_lan() {
    case $1 in
    a) make_link "$hosta" 10.1.1.2/24 "$nata" 10.1.1.1/24 || return 1 ;;
    *) make_link "$hostb" 10.1.2.2/24 "$natb" 10.1.2.1/24 || return 1 ;;
    esac
    eval "lan_host_$1=$end1 lan_nat_$1=$end2"
    case $1 in
    a) set_default "$hosta" 10.1.1.1 ;;
    *) set_default "$hostb" 10.1.2.1 ;;
    esac
}

make_wan() {
    case $1 in
    a) make_link "$nata" 198.51.100.2/24 "$pub" 198.51.100.1/24 || return 1 ;;
    *) make_link "$natb" 203.0.113.2/24 "$transit" 203.0.113.1/24 || return 1 ;;
    esac
    eval "wan_$1=$end1"
    case $1 in
    a) set_default "$nata" 198.51.100.1 && jexec "$nata" sysctl net.inet.ip.forwarding=1 ;;
    *) set_default "$natb" 203.0.113.1 && jexec "$natb" sysctl net.inet.ip.forwarding=1 ;;
    esac
}

make_network() {
    for each in "$pub" "$transit" "$nata" "$natb" "$hosta" "$hostb"; do make_jail "$each" || return 1; done
    make_lan a && make_wan a && make_lan b && make_wan b || return 1
    make_link "$pub" 192.0.2.9/30 "$transit" 192.0.2.10/30 && set_default "$transit" 192.0.2.9 || return 1
    jexec "$pub" route -q add -net 203.0.113.0/24 192.0.2.10 || return 1
    jexec "$pub" sysctl net.inet.ip.forwarding=1 && jexec "$transit" sysctl net.inet.ip.forwarding=1
    jexec "$pub" ifconfig lo0 inet 192.0.2.1/32 alias && jexec "$pub" ifconfig lo0 inet 192.0.2.2/32 alias
}

# destroy_lan a|b: both ends go, while whoever captures on them captures.
destroy_lan() {
    case $1 in
    a) owner=$hosta gone=$lan_host_a ;;
    *) owner=$hostb gone=$lan_host_b ;;
    esac
    if ! jexec "$owner" ifconfig "$gone" destroy; then
        say "a jail may not destroy it on this kernel: taken back first"
        ifconfig "$gone" -vnet "$owner" && ifconfig "$gone" destroy || return 1
    fi
    rest=''
    for each in $links; do [ "$each" = "$gone" ] || rest="$rest $each"; done
    links=$rest
}

# pf_test RULES: whether this pf knows these words.
pf_test() {
    jexec "$nata" pfctl -n -D "wan=$wan_a" -D "lan=$lan_nat_a" -D host=10.1.1.2 -f "$here/pf/$1.conf"
}

# set_nat a|b RULES: loads pf/RULES.conf in that NAT, and forgets all states.
set_nat() {
    case $1 in
    a) box=$nata inside=10.1.1.2 out=$wan_a in=$lan_nat_a ;;
    *) box=$natb inside=10.1.2.2 out=$wan_b in=$lan_nat_b ;;
    esac
    jexec "$box" pfctl -q -D "wan=$out" -D "lan=$in" -D "host=$inside" -f "$here/pf/$2.conf" || return 1
    # Enabled already: not a failure.
    jexec "$box" pfctl -q -e 2>/dev/null || true
    jexec "$box" pfctl -q -F states
}

# make_wireguard a|b: a device with a key of its own; leaves its name in wg_a, its public key in key_a (or _b).
make_wireguard() {
    case $1 in
    a) owner=$hosta address=10.99.0.1/24 ;;
    *) owner=$hostb address=10.99.0.2/24 ;;
    esac
    [ -f "$work/$1.key" ] || (umask 077 && wg genkey >"$work/$1.key") || return 1
    device=$(jexec "$owner" ifconfig wg create) || return 1
    case $device in
    wg*) ;;
    *)
        say "ifconfig wg create said: $device"
        return 1
        ;;
    esac
    jexec "$owner" wg set "$device" listen-port 51820 private-key "$work/$1.key" || return 1
    jexec "$owner" ifconfig "$device" inet "$address" up || return 1
    public=$(wg pubkey <"$work/$1.key") || return 1
    eval "wg_$1=$device key_$1=$public"
}

# fresh_peer a|b: the other side as a peer that was never heard of.
fresh_peer() {
    case $1 in
    a) owner=$hosta device=$wg_a far=$key_b there=10.99.0.2/32 ;;
    *) owner=$hostb device=$wg_b far=$key_a there=10.99.0.1/32 ;;
    esac
    jexec "$owner" wg set "$device" peer "$far" remove || return 1
    jexec "$owner" wg set "$device" peer "$far" allowed-ips "$there" persistent-keepalive 25
}

# Newest first: jails keep their interfaces, which come back to this machine and are destroyed here.
remove_network() {
    for each in $jails; do
        jail -r "$each" || say "jail -r $each failed"
    done
    jails=''
    for each in $links; do
        tries=0
        # A jail ends some seconds after its removal, and only then are its interfaces here.
        until ifconfig "$each" destroy 2>/dev/null; do
            tries=$((tries + 1))
            if [ "$tries" -ge 15 ]; then
                say "left behind: $each (ifconfig $each destroy)"
                break
            fi
            sleep 1
        done
    done
    links=''
}
