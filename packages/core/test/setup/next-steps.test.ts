import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNextSteps } from '#src/setup/next-steps.js';
import { storeKind } from '#src/setup/store-kinds.js';
import { keyPair } from '../controllers/far-side.js';

const { publicKey } = keyPair('own');
const store = { name: 'shared', kind: storeKind('redis'), settings: { url: 'redis://x' } };

test('the other side gets this host as a [Peer] to paste; an Endpoint in a file is remarked on', () => {
  const peers = [{ name: 'office', publicKey, allowedIps: [], keepaliveSeconds: 25, hasEndpoint: true }];
  const device = { name: 'wg0', publicKey, listenPort: 1, addresses: ['10.0.0.1', 'fd00::1'], peers };
  const plan = {
    devices: [device],
    store,
    stunServers: [],
    protocol: 'ipv4',
    ping: false,
    portMapping: false,
  } as const;
  const text = formatNextSteps(plan, { path: '/x.yaml', remarks: [] });
  const stanza = `  [Peer]\n  PublicKey = ${publicKey}\n  AllowedIPs = 10.0.0.1/32, fd00::1/128\n  PersistentKeepalive = 25\n`;
  assert.ok(text.includes(stanza), text);
  assert.match(text, /"office" has an Endpoint in its file/);
});
