/** Mistakes of configurations as data: what is written, and all that is said of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from './fixtures.js';

/** How values of each kind are explained. */
export const TOP =
  'refresh_interval, log, stun, ping_monitor, interfaces, plugins, capture, run_dir, state_dir, metrics, renew, mapping_check, nat_check';
export const DURATION =
  'allowed: a duration of at least 1ms: numbers with units (ns, us, ms, s, m, h), as 90s or 1m30s';
export const SERVER = 'allowed: host:port, as stun.example.org:3478, 192.0.2.1:3478 or [2001:db8::1]:3478';
export const ADVERTISED =
  "allowed: host:port that leads to WireGuard's port, as vpn.example.org:51820, 192.0.2.1:443 or [2001:db8::1]:51820";
export const PUBLIC_KEY = "allowed: the peer's public key as wg(8) shows it: 44 characters of base64, the last one '='";
export const PLUGIN = 'allowed: the name of a plugin of this file, or a list of names';
export const HOST = 'allowed: an IPv4 or IPv6 address or a host name, without port and prefix length';
export const DEVICE = 'allowed: 1 to 15 letters, digits and _ = + . -';

/** A peer or a plugin with these members, in a file of one line. */
export const peer = (members: string): string =>
  `interfaces: {wg0: {peers: {a: {${members}}}}}\nplugins: {p: {type: exec, command: x}}`;
export const plugin = (members: string): string => `plugins: {x: {${members}}}`;

export type Mistake = readonly [kind: string, text: string, ...lines: string[]];

export function testMistakes(mistakes: readonly Mistake[]): void {
  for (const [kind, text, ...lines] of mistakes)
    test(`F40 ${kind}`, async (t) => {
      assert.deepEqual(await failure(t, text), { code: 'ERR_CONFIG_INVALID', lines });
    });
}
