/** What to do about each error code: the remedies of docs/errors.md, for programs to show (a test holds the two together). */

/** A sentence or two for every code of ERROR_CODES. */
export const REMEDIES: Readonly<Record<string, string>> = {
  ERR_USAGE: '`stunmesh --help`, or `stunmesh COMMAND --help`, lists what is allowed.',
  ERR_INTERNAL: "report it with the log line, `stunmesh --version` and the system's name; start the daemon again.",
  ERR_DEADLINE:
    'see the code or the message around it for what did not answer; for a store raise `timeout` of its plugin, or look at its network.',
  ERR_CLOSED: 'none is needed at shutdown; at any other time report it.',
  ERR_LOCKED: 'stop that process, or take the device out of one of the two configurations.',
  ERR_RUN_DIR:
    "run as root, or make the folder for the daemon's user alone (mode 0700), or point `run_dir` to another one.",
  ERR_STATE:
    "check the folder's owner, mode (0700) and free space. A damaged file can be deleted: the store gives back what matters.",
  ERR_TOO_MANY_FILES:
    'raise the limit, by `LimitNOFILE=` in the systemd unit or `ulimit -n` before the start; a daemon needs about 40, and a few for each device and plugin.',
  ERR_RESOLVE: "check the name and this host's DNS (/etc/resolv.conf); an address in place of the name works too.",
  ERR_PORTMAP_NONE:
    'switch UPnP IGD, NAT-PMP or PCP on at the router (often called "UPnP" alone; OpenWrt, OPNsense, pfSense: the package miniupnpd), forward a UDP port by hand (docs/nat-guide.md), or set `port_mapping: off`.',
  ERR_PORTMAP_REFUSED:
    'allow it for this host in the settings of the router (miniupnpd: a line `allow 1024-65535 ADDRESS/32 1024-65535`), or forward a UDP port by hand.',
  ERR_PORTMAP_DOUBLE_NAT:
    'let the outer router work as a bridge, ask the provider for a public address, or use IPv6 (`protocol: dualstack`); see docs/nat-guide.md.',
  ERR_CONTROL_NOT_RUNNING: 'start the daemon, or name the device or `run_dir` of the one that runs.',
  ERR_CONTROL_DENIED: 'ask as the user that the daemon runs as, mostly root: `sudo stunmesh status`.',
  ERR_CONTROL_PROTOCOL:
    'use the `stunmesh` command of the version that the daemon runs; restart the daemon after an update.',
  ERR_METRICS_LISTEN: 'give each daemon a port of its own, or end the other program; `ss -ltnp` shows who has it.',
  ERR_CONFIG_NOT_FOUND: 'write one by `stunmesh init`, or name it with `--config FILE` or `--config-dir DIR`.',
  ERR_CONFIG_WRITABLE:
    '`chmod go-w` the file and its folder, or move it to a folder that only root can write, such as /etc/stunmesh.',
  ERR_CONFIG_READ: "do what the message says; the file should belong to the daemon's user, with mode 600.",
  ERR_CONFIG_SYNTAX:
    'correct the place. Most often it is the indentation, a missing quote, or a value that needs quotes.',
  ERR_CONFIG_INVALID:
    'each line says what is allowed there. `stunmesh config check` repeats the check without starting anything.',
  ERR_CONFIG_WRITE: 'run as root, or name another file by `--output`.',
  ERR_PLUGIN_NOT_FOUND: 'run the install command in the message, or correct `name`.',
  ERR_PLUGIN_INVALID:
    'install the release of the module that fits this version of stunmesh; leave out `protocol: 1` for a program of protocol 0.',
  ERR_STORE_UNAVAILABLE: "check the store's address and network. Tunnels that stand are not touched meanwhile.",
  ERR_STORE_DENIED: 'check token, password or file mode, and what they are allowed to do.',
  ERR_STORE_TOO_LARGE: 'use a store with a larger limit, or publish one family only (`protocol` of the interface).',
  ERR_STORE_INPUT: 'in your own program pass keys and values as they come; otherwise report it.',
  ERR_STORE_INTERNAL: "look at the plugin's own log, and run `stunmesh plugin test NAME`.",
  ERR_EXEC_SPAWN: 'check `command`: its path, that it is executable, and that its interpreter is installed.',
  ERR_EXEC_FAILED:
    'run it by hand as `stunmesh plugin test` does; its own error text is in the message where it gave one.',
  ERR_EXEC_OUTPUT:
    'let it print the answer alone on stdout, and all else on stderr; `stunmesh plugin test` shows the difference.',
  ERR_KEY_INVALID: 'copy it again from `wg show` (public keys) or `wg genkey` (private keys).',
  ERR_KEY_SHARED: 'give each host a key pair of its own; of a pair for one address let one have its device up.',
  ERR_KEY_CHANGED:
    'on the peer put our new public key in the place of the old one, in WireGuard and in the configuration of stunmesh; or set our former private key again.',
  ERR_KEY_WEAK: 'make a new key pair on that peer; such a key never comes from `wg genkey`.',
  ERR_RECORD_MALFORMED: "wait for the peer's next write; if it stays, look who else writes to this store.",
  ERR_RECORD_UNOPENED: "check that both sides have each other's present public keys.",
  ERR_RECORD_ENDPOINT: 'look at the STUN servers of the peer that published it.',
  ERR_RECORD_REFLECTED: 'somebody who can write to the store copied it; look who has its credentials.',
  ERR_RECORD_TOO_LARGE: 'publish one family only (`protocol` of the interface), or use a store with a larger limit.',
  ERR_STUN_NO_SERVER: "check the names in `stun.addresses` and this host's DNS; for IPv6 take a server that has it.",
  ERR_STUN_NO_RESPONSE: "let UDP out to the servers' ports and their replies in; try other servers.",
  ERR_STUN_REFUSED: 'use another server.',
  ERR_STUN_DISAGREE:
    'take the server out that contradicts the others; with two servers alone configure a third one, so that there can be a majority.',
  ERR_STUN_STAND_IN:
    'let the proxy leave the names of STUN servers alone (in a list such as fake-ip-filter), or write their addresses into `stun.addresses`.',
  ERR_STUN_BLOCKED: "allow UDP from WireGuard's listen port in the output rules.",
  ERR_STUN_NO_ROUTE: "check the default route, and policy rules for WireGuard's firewall mark.",
  ERR_STUN_SERVER: 'choose addresses of this host and a port that is free.',
  ERR_STUN_ADDRESS:
    "correct the entry of `stun.addresses` that the message names, or route that server's address outside the tunnel.",
  ERR_WG_NOT_FOUND:
    'install wireguard-tools (`apt install`, `apk add`, `pkg install` or `brew install wireguard-tools`), or start stunmesh with a PATH that holds `wg`.',
  ERR_TUNNEL_ONE_WAY:
    'run `stunmesh doctor` on both hosts, and look at the firewalls and NATs on the way from here to the peer.',
  ERR_WG_DEVICE_DOWN: 'bring the link of the device up; the daemon takes it up at once.',
  ERR_WG_DEVICE_NOT_FOUND:
    'bring it up (`wg-quick up NAME`), or correct its name under `interfaces`; the daemon picks it up by itself.',
  ERR_WG_PEER_NOT_FOUND: 'add it to WireGuard: stunmesh never creates peers. Compare its public key with `wg show`.',
  ERR_WG_PERMISSION:
    'run as root, or with CAP_NET_ADMIN; a userspace device (wireguard-go) as the owner of its socket in /var/run/wireguard.',
  ERR_WG_PROTOCOL: 'check which `wg` is first in PATH and update it; report it with the version if it stays.',
  ERR_WG_FAILED:
    "the message has its reason; look at `wg show` and the kernel's log. If it says that a peer could not be put back, add that peer again (`wg syncconf`, wg-quick).",
  ERR_CAPTURE_PLATFORM: 'set `capture: auto`, or install the package for this system.',
  ERR_CAPTURE_ADDON:
    'run the build line in the message (it needs a C compiler), or install a release with a prebuilt one.',
  ERR_CAPTURE_PERMISSION: 'run as root, or with CAP_NET_RAW (and CAP_NET_ADMIN for firewall marks).',
  ERR_CAPTURE_OPEN: "the message names the call and the system's reason; check that the interface is there.",
  ERR_CAPTURE_INTERFACE:
    'correct the name; the message lists those that are there. Where one of several is missing, the others are listened to.',
  ERR_CAPTURE_REWRITTEN:
    'keep the port by a `static-port` rule; the message has the line for pf.conf. OPNsense and pfSense: Firewall, NAT, Outbound, a rule for UDP from WireGuard\'s port with "Static port". Tunnels to peers that can be reached without a port of ours work all the same.',
  ERR_CAPTURE_FILTER:
    'load the kernel module nf_tables; without it a hard NAT cannot be opened from this side, and a busy tunnel waits for a quiet second before it moves to a better path.',
  ERR_CAPTURE_SEND: "the message has the system's reason; full buffers and interfaces that come up pass by themselves.",
  ERR_CAPTURE_BLOCKED: "allow UDP from WireGuard's listen port, and ICMP echoes into the tunnel, in the output rules.",
  ERR_CAPTURE_UNREACHABLE: "check routes, and policy rules for WireGuard's firewall mark.",
  ERR_CAPTURE_LOST: 'none: it is opened again once the interface is back.',
};
