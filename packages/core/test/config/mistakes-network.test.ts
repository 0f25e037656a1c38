/** Mistakes in servers, devices, peers and plugins, and what is said of each. */
import { KEY_A, KEY_B } from './fixtures.js';
import { ADVERTISED, DEVICE, HOST, PLUGIN, PUBLIC_KEY, peer, plugin, SERVER, testMistakes } from './mistake.js';

testMistakes([
  // STUN servers
  [
    'no server',
    'stun: {addresses: []}',
    '1:8: stun.addresses: no server; at least one host:port, or leave the key out',
  ],
  [
    'only empty servers',
    'stun: {addresses: ["", ""]}',
    '1:8: stun.addresses: no server; at least one host:port, or leave the key out',
  ],
  [
    'server without port',
    'stun: {addresses: stun.example.org}',
    `1:19: stun.addresses[0]: "stun.example.org" has no port; ${SERVER}; did you mean "stun.example.org:3478"?`,
  ],
  [
    'server as a URL',
    'stun: {address: "stun:stun.example.org:3478"}',
    `1:17: stun.address: "stun:stun.example.org:3478" has no host name or address that can be used; ${SERVER}; did you mean "stun.example.org:3478"?`,
  ],
  [
    'bare IPv6 address',
    'stun: {address: "2001:db8::1"}',
    `1:17: stun.address: "2001:db8::1" is an IPv6 address without brackets and port; ${SERVER}; did you mean "[2001:db8::1]:3478"?`,
  ],
  [
    'port 0',
    'stun: {addresses: [a.b:1, "c.d:0"]}',
    `1:27: stun.addresses[1]: "c.d:0" has a port that is not 1 to 65535; ${SERVER}`,
  ],
  [
    'port too large',
    'stun: {address: "[2001:db8::1]:65536"}',
    `1:17: stun.address: "[2001:db8::1]:65536" has a port that is not 1 to 65535; ${SERVER}`,
  ],
  [
    'F19 a server that no packet may go to',
    'stun: {addresses: "224.0.0.1:3478,0.0.0.0:3478"}',
    `1:19: stun.addresses[0]: "224.0.0.1:3478" is a multicast address; ${SERVER}`,
    `1:19: stun.addresses[1]: "0.0.0.0:3478" is an unspecified address; ${SERVER}`,
  ],
  // interfaces and peers
  [
    'a name that is no device',
    'interfaces: {../wg0: {}, a234567890123456: {}}',
    `1:14: interfaces["../wg0"]: "../wg0" cannot be the name of a network device; ${DEVICE}`,
    `1:26: interfaces.a234567890123456: "a234567890123456" cannot be the name of a network device; ${DEVICE}`,
  ],
  [
    'a name that leads out of a folder',
    'interfaces: {..: {}}',
    `1:14: interfaces[".."]: ".." cannot be the name of a network device; ${DEVICE}`,
  ],
  [
    'proxy mode',
    'interfaces: {wg0: {proxy: {enabled: "true"}}}',
    "1:37: interfaces.wg0.proxy.enabled: there is no proxy mode; raw capture takes its place (see the key capture): set it to false, or leave proxy out, and WireGuard's own port is used",
  ],
  [
    'no prefix of the LAN',
    'interfaces: {wg0: {lan: [10.0.0.0/8, 10.0.0.0/33]}}',
    '1:38: interfaces.wg0.lan[1]: "10.0.0.0/33" is no prefix; allowed: true, false, or a list of prefixes, as [10.0.0.0/8, fd00::/8]',
  ],
  [
    'another word for the LAN',
    'interfaces: {wg0: {lan: off}}',
    '1:25: interfaces.wg0.lan[0]: "off" is no prefix; allowed: true, false, or a list of prefixes, as [10.0.0.0/8, fd00::/8]; did you mean "false"?',
  ],
  [
    'a word beside prefixes of the LAN',
    'interfaces: {wg0: {lan: [true, 10.0.0.0/8]}}',
    "1:20: interfaces.wg0.lan: true beside other values; true, false, or a list of prefixes (which are tried in addition to this host's own links)",
  ],
  [
    'an advertised address without port, and one that nobody else reaches',
    'interfaces: {wg0: {advertise: [vpn.example.org, "127.0.0.1:443"]}}',
    `1:32: interfaces.wg0.advertise[0]: "vpn.example.org" has no port; ${ADVERTISED}`,
    `1:49: interfaces.wg0.advertise[1]: "127.0.0.1:443" is a loopback address; ${ADVERTISED}`,
  ],
  [
    'another time to listen for checks',
    'interfaces: {wg0: {check_listen: never}}',
    '1:34: interfaces.wg0.check_listen: "never" is not allowed; allowed: always, auto, unsettled',
  ],
  [
    'a peer without anything',
    'interfaces: {wg0: {peers: {a: }}}',
    `1:28: interfaces.wg0.peers.a.public_key: missing; ${PUBLIC_KEY}`,
    `1:28: interfaces.wg0.peers.a.plugin: missing; ${PLUGIN}`,
  ],
  [
    'a short key',
    peer('public_key: abc=, plugin: p'),
    `1:44: interfaces.wg0.peers.a.public_key: not a WireGuard key (4 characters); ${PUBLIC_KEY}`,
  ],
  [
    'a key in hexadecimal',
    peer(`public_key: ${'0f'.repeat(32)}, plugin: p`),
    `1:44: interfaces.wg0.peers.a.public_key: a key in hexadecimal; ${PUBLIC_KEY}`,
  ],
  [
    'a key without its end',
    peer(`public_key: ${KEY_A.slice(0, -1)}, plugin: p`),
    `1:44: interfaces.wg0.peers.a.public_key: not a WireGuard key (43 characters); ${PUBLIC_KEY}`,
  ],
  [
    'F22 the key of all zeros',
    peer(`public_key: ${'A'.repeat(43)}=, plugin: p`),
    `1:44: interfaces.wg0.peers.a.public_key: the key of all zeros is no key; ${PUBLIC_KEY}`,
  ],
  [
    'the same key twice',
    `interfaces:\n  wg0:\n    peers:\n      a: {public_key: ${KEY_B}, plugin: p}\n      b: {public_key: ${KEY_B}, plugin: p}\nplugins: {p: {type: exec, command: x}}`,
    '5:23: interfaces.wg0.peers.b.public_key: the same key as that of "a"; each peer of an interface has a key of its own',
  ],
  [
    'an undefined plugin',
    peer(`public_key: ${KEY_A}, plugin: q`),
    '1:98: interfaces.wg0.peers.a.plugin: no plugin "q" is defined; defined: p',
  ],
  [
    'an undefined plugin of several',
    `${peer(`public_key: ${KEY_A}, plugin: [p, stroe]`)}\n`.replace(
      'plugins: {p:',
      'plugins: {store: {type: exec, command: y}, p:',
    ),
    '1:102: interfaces.wg0.peers.a.plugin[1]: no plugin "stroe" is defined; defined: store, p; did you mean "store"?',
  ],
  [
    'a plugin where there are none',
    `interfaces: {wg0: {peers: {a: {public_key: ${KEY_A}, plugin: q}}}}`,
    '1:98: interfaces.wg0.peers.a.plugin: no plugin "q" is defined; plugins defines none',
  ],
  ['no plugin', peer(`public_key: ${KEY_A}, plugin: ""`), `1:98: interfaces.wg0.peers.a.plugin: empty; ${PLUGIN}`],
  [
    'an empty list of plugins',
    peer(`public_key: ${KEY_A}, plugin: []`),
    `1:90: interfaces.wg0.peers.a.plugin: empty; ${PLUGIN}`,
  ],
  [
    'ping without target',
    peer(`public_key: ${KEY_A}, plugin: p, ping: {enabled: true}`),
    '1:101: interfaces.wg0.peers.a.ping.target: missing; ping.enabled needs an address or a name behind the tunnel, as target: 10.0.0.2',
  ],
  [
    'ping target with a prefix length',
    peer(`public_key: ${KEY_A}, plugin: p, ping: {enabled: true, target: 10.0.0.2/32}`),
    `1:131: interfaces.wg0.peers.a.ping.target: "10.0.0.2/32" is neither an address nor a host name; ${HOST}; did you mean "10.0.0.2"?`,
  ],
  [
    'a reference that could mean two plugins',
    `interfaces: {wg0: {peers: {a: {public_key: ${KEY_A}, plugin: pp}}}}\nplugins: {Pp: {type: exec, command: x}, pP: {type: exec, command: x}}`,
    '1:98: interfaces.wg0.peers.a.plugin: no plugin "pp" is defined; defined: Pp, pP; did you mean "Pp"?',
  ],
  // plugins
  ['a plugin without type', plugin('command: x'), '1:11: plugins.x.type: missing; allowed: builtin, exec, shell'],
  ['a plugin without anything', 'plugins: {x: }', '1:11: plugins.x.type: missing; allowed: builtin, exec, shell'],
  ['a plugin that is a text', 'plugins: {x: file}', '1:14: plugins.x: a text where a mapping (key: value) is needed'],
  [
    'wrong type of plugin',
    plugin('type: Exec, command: x'),
    '1:21: plugins.x.type: "Exec" is not allowed; allowed: builtin, exec, shell; did you mean "exec"?',
  ],
  [
    'exec without command',
    plugin('type: exec'),
    '1:11: plugins.x.command: missing; allowed: a program, by its path or its name in PATH; its arguments go to args',
  ],
  [
    'args as a text',
    plugin('type: shell, command: x, args: -v --all'),
    '1:46: plugins.x.args: a text where a list is needed; allowed: a list of texts: args: ["-v", "--name=value"]',
  ],
  [
    'builtin without name',
    plugin('type: builtin'),
    '1:11: plugins.x.name: missing; allowed: a short name (file for @stunmesh/store-file), a package, or an absolute path',
  ],
  [
    'builtin opendht',
    plugin('type: builtin, name: opendht, endpoint: "http://x"'),
    '1:36: plugins.x.name: there is no built-in opendht; an OpenDHT proxy is served by an exec plugin: type: exec and command: the program',
  ],
  [
    'dedup that is neither',
    plugin('type: exec, command: x, dedup: off'),
    '1:46: plugins.x.dedup: a text where true or false is needed; did you mean "false"?',
  ],
]);
