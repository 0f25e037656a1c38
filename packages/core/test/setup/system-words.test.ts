/** What `init` says of the system: where the configuration goes, how the service starts, how a device comes up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFile } from '#src/config/folders.js';
import { noDeviceUp } from '#src/setup/find-devices.js';
import { formatNextSteps } from '#src/setup/next-steps.js';
import { makePlan } from '#src/setup/plan.js';
import { STORE_KINDS, storeKind } from '#src/setup/store-kinds.js';
import { keyPair } from '../controllers/far-side.js';

const PLAN = {
  devices: [],
  store: { name: 'shared', kind: storeKind('file'), settings: { path: '/srv/mesh' } },
  stunServers: [],
  protocol: 'ipv4',
  ping: true,
  portMapping: false,
} as const;

test('the configuration is where the service reads it, and the service is started in the words of the system', () => {
  for (const [platform, start] of [
    ['linux', 'systemctl enable --now stunmesh'],
    ['freebsd', 'service stunmesh enable; service stunmesh start'],
    ['darwin', 'sudo launchctl bootstrap system '],
  ] as const) {
    const text = formatNextSteps(PLAN, { path: configFile(platform), remarks: [] }, platform);
    assert.match(text, /^ {2}stunmesh$/m, 'without -c');
    assert.ok(text.includes(`\nOr as a service:\n  ${start}`), text);
    assert.equal(text.includes('systemctl'), platform === 'linux');
  }
  const elsewhere = formatNextSteps(PLAN, { path: '/etc/stunmesh/config.yaml', remarks: [] }, 'freebsd');
  assert.match(elsewhere, /^ {2}stunmesh -c \/etc\/stunmesh\/config\.yaml$/m);
  assert.doesNotMatch(elsewhere, /service/);
});

test('where no device is up, it is told how to bring one up on this system, and where wg-quick keeps its files', () => {
  assert.match(noDeviceUp('linux').message, /wg-quick up wg0.*--from \/etc\/wireguard\/wg0\.conf$/);
  const { message } = noDeviceUp('freebsd');
  assert.match(message, /service wireguard start.*--from \/usr\/local\/etc\/wireguard\/wg0\.conf$/);
  assert.doesNotMatch(message, /wg-quick|ip link/);
});

test('the DHT needs no further answer, and takes one bootstrap for a list', async () => {
  const devices = [{ name: 'wg0', publicKey: keyPair('own').publicKey, listenPort: 51820, peers: [] }];
  const flags = { store: 'dht', settings: [], stunServers: [] };
  assert.deepEqual((await makePlan(devices, flags, undefined)).store.settings, {});
  const given = await makePlan(devices, { ...flags, settings: ['bootstrap=dht.example.org:6881'] }, undefined);
  assert.deepEqual(given.store.settings, { bootstrap: ['dht.example.org:6881'] });
});

test('what is printed at the end fits 80 columns on every system, where paths and names are short', () => {
  const publicKey = keyPair('own').publicKey;
  const peer = { name: 'office', publicKey: keyPair('a').publicKey, allowedIps: ['10.0.0.2/32'], keepaliveSeconds: 0 };
  const devices = [{ name: 'wg0', publicKey, listenPort: 0, peers: [peer] }];
  for (const kind of STORE_KINDS)
    for (const platform of ['linux', 'freebsd', 'darwin'] as const) {
      const settings = Object.fromEntries(kind.questions.map(({ key }) => [key, '/srv/mesh']));
      const secret = kind.secret ? { secret: { key: kind.secret.file, text: 'x' } } : {};
      const plan = {
        ...PLAN,
        devices,
        store: { name: 'shared', kind, settings, ...secret },
        protocol: 'dualstack',
      } as const;
      const path = configFile(platform);
      const secretPath = path.replace('config.yaml', 'shared-token');
      const text = formatNextSteps(plan, { path, secretPath, remarks: [] }, platform);
      for (const line of text.split('\n')) assert.ok(line.length <= 80, `${line.length}: ${line}`);
    }
});
