/** Somebody else at the address where the peer is looked for: answers STUN and WireGuard's port, and proves nothing. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Host, type Lab, REPOSITORY, until, WIREGUARD_PORT } from '../index.js';

export interface Decoy {
  readonly address: string;
  /** What came so far: binding requests, handshake initiations, anything else. */
  count(what: 'request' | 'initiation' | 'other'): number;
}

/** In the network of a host whose side has a `decoy`; it listens when this resolves. */
export async function startDecoy(lab: Lab, host: Host, port = WIREGUARD_PORT): Promise<Decoy> {
  const { decoy } = host.plan;
  assert.ok(decoy, `side ${host.name} has no decoy`);
  const fixture = join(REPOSITORY, 'test/fixtures/e2e/decoy.mjs');
  const process_ = lab.spawn(decoy.namespace, [process.execPath, fixture, decoy.address, String(port)]);
  await until(() => process_.stdout.includes('ready') || !process_.running, { what: 'the decoy to listen' });
  assert.ok(process_.running, `the decoy: ${process_.stderr}`);
  return {
    address: decoy.address,
    count: (what) => process_.stdout.split('\n').filter((line) => line.includes(`"got":"${what}"`)).length,
  };
}
