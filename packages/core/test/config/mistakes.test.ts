/** Mistakes in keys, durations, types and choices, and what is said of each. */
import { KEY_A } from './fixtures.js';
import { DURATION, PUBLIC_KEY, peer, plugin, SERVER, TOP, testMistakes } from './mistake.js';

testMistakes([
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
    '1:32: interfaces.wg0.peers.a.publicKey: unknown key; allowed here: public_key, plugin, protocol, description, ping, hard_nat; did you mean "public_key"?',
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
]);
