import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '#src/config/index.js';
import { failure, fixturePath, KEY_A, KEY_B, load, readFixture, temporaryFolder } from './fixtures.js';

const TOP =
  'refresh_interval, log, stun, ping_monitor, interfaces, plugins, capture, run_dir, state_dir, metrics, renew, mapping_check, nat_check';
const DURATION = 'allowed: a duration of at least 1ms: numbers with units (ns, us, ms, s, m, h), as 90s or 1m30s';
const SERVER = 'allowed: host:port, as stun.example.org:3478, 192.0.2.1:3478 or [2001:db8::1]:3478';
const PUBLIC_KEY = "allowed: the peer's public key as wg(8) shows it: 44 characters of base64, the last one '='";
const PLUGIN = 'allowed: the name of a plugin of this file, or a list of names';
const HOST = 'allowed: an IPv4 or IPv6 address or a host name, without port and prefix length';
const DEVICE = 'allowed: 1 to 15 letters, digits and _ = + . -';

const peer = (members: string): string =>
  `interfaces: {wg0: {peers: {a: {${members}}}}}\nplugins: {p: {type: exec, command: x}}`;
const plugin = (members: string): string => `plugins: {x: {${members}}}`;

/** What is written, and all that is said of it. */
const MISTAKES: readonly (readonly [kind: string, text: string, ...lines: string[]])[] = [
  // keys
  [
    'unknown key',
    'refreshinterval: 5m',
    `1:1: refreshinterval: unknown key; allowed here: ${TOP}; did you mean "refresh_interval"?`,
  ],
  ['unknown key, nothing near', 'log:\n  colour: red', '2:3: log.colour: unknown key; allowed here: level, format'],
  [
    'a key in camel case',
    peer(`publicKey: ${KEY_A}, plugin: p`),
    `1:28: interfaces.wg0.peers.a.public_key: missing; ${PUBLIC_KEY}`,
    '1:32: interfaces.wg0.peers.a.publicKey: unknown key; allowed here: public_key, plugin, protocol, description, ping; did you mean "public_key"?',
  ],
  [
    'unknown key of an exec plugin',
    plugin('type: exec, command: x, arguments: [a]'),
    '1:39: plugins.x.arguments: unknown key; allowed here: type, protocol, command, args, env, parallel, env_clear, timeout, dedup',
  ],
  [
    'duplicate key',
    'renew: true\nrenew: false',
    '2:1: renew: the key stands twice, first in line 1; keep one; letter case makes no other key',
  ],
  [
    'duplicate key in another letter case',
    'stun:\n  addresses: a.b:1\n  Addresses: c.d:2',
    '3:3: stun.Addresses: the key stands twice, first in line 2; keep one; letter case makes no other key',
  ],
  [
    'duplicate name',
    'plugins:\n  p: {type: exec, command: x}\n  p: {type: exec, command: y}',
    '3:3: plugins.p: the key stands twice, first in line 2; keep one; letter case makes no other key',
  ],
  [
    'duplicate key of a builtin',
    plugin('type: builtin, name: y, Path: /a, path: /b'),
    '1:49: plugins.x.path: the key stands twice, first in line 1; keep one; letter case makes no other key',
  ],
  [
    'duplicate key that an alias repeats',
    'plugins:\n  p: &p {type: exec, command: x, env: {A: 1, A: 2}}\n  q: *p',
    '2:46: plugins.p.env.A: the key stands twice, first in line 2; keep one; letter case makes no other key',
  ],
  // durations
  [
    'duration without unit',
    'refresh_interval: "60"',
    `1:19: refresh_interval: "60" has no unit; ${DURATION}; did you mean "60s"?`,
  ],
  [
    'duration as a bare number',
    'refresh_interval: 60',
    `1:19: refresh_interval: "60" has no unit; ${DURATION}; did you mean "60s"?`,
  ],
  [
    'duration with a fraction and no unit',
    'ping_monitor: {interval: 0.5}',
    `1:26: ping_monitor.interval: "0.5" has no unit; ${DURATION}; did you mean "0.5s"?`,
  ],
  [
    'duration in words',
    'refresh_interval: 5 minutes',
    `1:19: refresh_interval: "5 minutes" is not a duration; ${DURATION}; did you mean "5m"?`,
  ],
  [
    'duration in days',
    'refresh_interval: 1d',
    `1:19: refresh_interval: "1d" is not a duration; ${DURATION}; did you mean "24h"?`,
  ],
  [
    'interval of zero',
    'ping_monitor: {interval: 0s}',
    `1:26: ping_monitor.interval: "0s" is not longer than zero; ${DURATION}`,
  ],
  ['bare zero', 'refresh_interval: 0', `1:19: refresh_interval: "0" is not longer than zero; ${DURATION}`],
  [
    'negative interval',
    'ping_monitor: {timeout: -1s}',
    `1:25: ping_monitor.timeout: "-1s" is not longer than zero; ${DURATION}; did you mean "1s"?`,
  ],
  [
    'negative number',
    'refresh_interval: -5',
    `1:19: refresh_interval: "-5" has no unit; ${DURATION}; did you mean "5s"?`,
  ],
  [
    'interval of a nanosecond',
    'ping_monitor: {timeout: 1ns}',
    `1:25: ping_monitor.timeout: "1ns" is too short; ${DURATION}`,
  ],
  ['empty duration', 'refresh_interval: ""', `1:19: refresh_interval: "" is not a duration; ${DURATION}`],
  [
    'duration of a plugin',
    plugin('type: exec, command: x, timeout: 10'),
    `1:48: plugins.x.timeout: "10" has no unit; ${DURATION}; did you mean "10s"?`,
  ],
  [
    'durations of a ping',
    peer(`public_key: ${KEY_A}, plugin: p, ping: {interval: 0s, timeout: 1}`),
    `1:118: interfaces.wg0.peers.a.ping.interval: "0s" is not longer than zero; ${DURATION}`,
    `1:131: interfaces.wg0.peers.a.ping.timeout: "1" has no unit; ${DURATION}; did you mean "1s"?`,
  ],
  // types and choices
  [
    'wrong choice',
    'log: {level: warning}',
    '1:14: log.level: "warning" is not allowed; allowed: trace, debug, info, warn, error, fatal, panic, disabled',
  ],
  [
    'choice in another letter case',
    'interfaces: {wg0: {protocol: IPv4}}',
    '1:30: interfaces.wg0.protocol: "IPv4" is not allowed; allowed: ipv4, ipv6, dualstack; did you mean "ipv4"?',
  ],
  ['yes for true', 'renew: yes', '1:8: renew: a text where true or false is needed; did you mean "true"?'],
  ['not a number', 'renew: .nan', '1:8: renew: a text where true or false is needed'],
  [
    'a text for a number',
    'ping_monitor: {fixed_retries: few}',
    '1:31: ping_monitor.fixed_retries: a text where a whole number is needed; allowed: 0 to 1000000',
  ],
  [
    'a fraction',
    'ping_monitor: {fixed_retries: 2.5}',
    '1:31: ping_monitor.fixed_retries: a number where a whole number is needed; allowed: 0 to 1000000',
  ],
  [
    'out of range',
    'interfaces: {wg0: {proxy: {fib: 65536}}}',
    '1:33: interfaces.wg0.proxy.fib: 65536 is not allowed; allowed: 0 to 65535',
  ],
  ['a text for a mapping', 'log: info', '1:6: log: a text where a mapping (key: value) is needed'],
  ['a list for a mapping', 'interfaces:\n  - wg0', '1:1: interfaces: a list where a mapping (key: value) is needed'],
  [
    'a list for a text',
    'capture: [linux]',
    '1:1: capture: a list where a text is needed; allowed: auto, linux, bsd, or the name of a package',
  ],
  [
    'a mapping for a list',
    'stun: {addresses: {a: b}}',
    '1:8: stun.addresses: a mapping (key: value) where a list is needed',
  ],
  ['nothing in a list', 'stun: {addresses: [~]}', `1:20: stun.addresses[0]: nothing where a text is needed; ${SERVER}`],
  ['a file that is no mapping', '- a', '1:1: a list where a mapping (key: value) is needed'],
  [
    'relative folder',
    'run_dir: run',
    '1:10: run_dir: "run" is not an absolute path; allowed: an absolute path, as /run/stunmesh',
  ],
  ['empty capture', 'capture: ""', '1:10: capture: empty; allowed: auto, linux, bsd, or the name of a package'],
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
];

for (const [kind, text, ...lines] of MISTAKES)
  test(`F40 ${kind}`, async (t) => {
    assert.deepEqual(await failure(t, text), { code: 'ERR_CONFIG_INVALID', lines });
  });

test('F40 all problems of a file are told at once, in the order of its lines', async (t) => {
  const cwd = await temporaryFolder(t);
  await copyFile(fixturePath('every-mistake.yaml'), join(cwd, 'every-mistake.yaml'));
  const expected = (await readFixture('every-mistake.txt')).trimEnd();
  const problems = expected.split('\n').length;
  const file = join(cwd, 'every-mistake.yaml');
  await assert.rejects(loadConfig({ file: 'every-mistake.yaml', env: {}, cwd }), {
    code: 'ERR_CONFIG_INVALID',
    retry: 'never',
    message: expected,
    details: { file, problems },
  });
});

test('F34 values of secrets never stand in a message, wherever the mistake is', async (t) => {
  const secret = 'hunter2hunter2';
  for (const text of [
    plugin(`type: exec, command: x, token: ${secret}`),
    plugin(`type: exec, command: x, args: --token=${secret}`),
    plugin(`type: exec, command: x, env: {TOKEN: [${secret}]}`),
    plugin(`type: exec, command: x, env: ${secret}`),
    plugin(`typ: builtin, token: ${secret}`),
    `token: ${secret}`,
    secret,
    peer(`public_key: ${secret}, plugin: p`),
    `plugins:\n  x:\n    token: *${secret}\n`,
    `plugins:\n  x:\n    token: !${secret} b\n    type: nothing`,
    `plugins:\n  x:\n    token: "${secret}\n    y: 1\n`,
    `plugins:\n  x:\n    token: ${secret}: x: y\n`,
    `plugins:\n  x:\n    token: "\\q${secret}"\n`,
    `plugins:\n  x:\n   token: %${secret}\n   y: @${secret}\n`,
  ]) {
    const { code, lines } = await failure(t, text);
    assert.notEqual(code, 'none', text);
    assert.doesNotMatch(lines.join('\n'), /hunter2/, text);
  }
});

test('a file with secrets that everybody may read earns a warning; 0600, or no secret, does not', async (t) => {
  const stun = `stun: {addresses: a.b:1}\ninterfaces: {wg0: {peers: {a: {public_key: ${KEY_A}, plugin: x}}}}\n`;
  const warned = async (settings: string, mode: number) => (await load(t, `${stun}${plugin(settings)}`, mode)).warnings;
  const warning = ['c.yaml: everybody may read this file and it holds secrets; run: chmod 600 c.yaml'];
  for (const settings of [
    'type: builtin, name: cloudflare, Token: abc',
    'type: builtin, name: redis, url: "rediss://u:pw@host:6379"',
    'type: builtin, name: y, auth: {password: 123}',
    'type: exec, command: x, env: {CF_API_TOKEN: abc}',
    'type: exec, command: x, args: ["--api-token=abc"]',
  ]) {
    assert.deepEqual(await warned(settings, 0o644), warning, settings);
    assert.deepEqual(await warned(settings, 0o600), [], settings);
    assert.deepEqual(await warned(settings, 0o640), [], settings);
  }
  for (const settings of [
    'type: builtin, name: y, token_file: /run/token',
    'type: builtin, name: y, token: ""',
    'type: exec, command: x',
  ])
    assert.deepEqual(await warned(settings, 0o644), [], settings);
});

test('keys without effect here earn a warning with their place', async (t) => {
  const text = `refresh_interval: 500ms
stun: {addresses: "127.0.0.1:3478"}
interfaces:
  wg0:
    listen_interfaces: eth0
    listen_default_route: true
    proxy: {listen: 0, fib: 0}
`;
  assert.deepEqual((await load(t, text)).warnings, [
    'c.yaml:2:1: stun: 127.0.0.1:3478 is this host itself',
    'c.yaml:1:1: refresh_interval: less than a second; stores and servers may refuse so many calls',
    'c.yaml:4:3: interfaces.wg0: no peers; there is nothing to do for it',
    "c.yaml:7:13: interfaces.wg0.proxy.listen: no effect: WireGuard's own port is used",
    'c.yaml:7:24: interfaces.wg0.proxy.fib: no effect on this system',
    'c.yaml:5:5: interfaces.wg0.listen_interfaces: no effect on this system',
    'c.yaml:6:5: interfaces.wg0.listen_default_route: no effect on this system',
  ]);
});

test('capture: bsd listens by interface on every system, so the keys for that have their effect', async (t) => {
  const text = `capture: bsd
stun: {addresses: "192.0.2.1:3478"}
interfaces:
  wg0:
    listen_interfaces: eth0
    listen_default_route: true
    peers: {}
`;
  assert.deepEqual((await load(t, text)).warnings, [
    'c.yaml:4:3: interfaces.wg0: no peers; there is nothing to do for it',
  ]);
});
