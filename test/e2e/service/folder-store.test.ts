/** The shipped unit with a folder of records outside its own: refused with the line that is missing, and connected once it is there. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createKeyPair, REPOSITORY, until } from '../lab/index.js';
import { INSIDE, missingForManager, openServiceManager } from './steps/service-manager.js';

const MAIN = `${INSIDE.repository}/packages/core/dist/cli/main.js`;
const DAEMON = 'stunmesh.service';
const SERVER = 'stunmesh-stun-server.service';
const FOLDER = '/srv/mesh';
const missing = missingForManager();
const skip = missing !== undefined && process.env['REQUIRE'] !== 'all' ? missing : false;

interface Side {
  readonly device: string;
  readonly port: number;
  readonly address: string;
}
const HERE: Side = { device: 'sdhere0', port: 51820, address: '10.0.0.1' };
const FAR: Side = { device: 'sdfar0', port: 51821, address: '10.0.0.2' };

async function unit(name: string, change: (text: string) => string): Promise<string> {
  const text = await readFile(join(REPOSITORY, 'packages/core/service/systemd', name), 'utf8');
  return change(text).replace('/usr/bin/stunmesh', `${INSIDE.node} ${MAIN}`);
}

function wireguard(own: ReturnType<typeof createKeyPair>, side: Side, peerKey: string, peer: Side): string {
  const self = `[Interface]\nPrivateKey = ${own.secret.toString('base64')}\nListenPort = ${side.port}\n`;
  return `${self}[Peer]\nPublicKey = ${peerKey}\nAllowedIPs = ${peer.address}/32\nPersistentKeepalive = 5\n`;
}

function config(side: Side, peerKey: string, more: object): string {
  return JSON.stringify({
    stun: { addresses: ['192.0.2.1:3478'] },
    plugins: { shared: { type: 'builtin', name: 'file', path: FOLDER } },
    interfaces: { [side.device]: { peers: { other: { public_key: peerKey, plugin: 'shared' } } } },
    ...more,
  });
}

test('F73 the unit and a folder of records: status names the line that the unit lacks, and with it there is a tunnel', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const [here, far] = [createKeyPair(), createKeyPair()];
  const opening = openServiceManager({
    repository: REPOSITORY,
    units: {
      [DAEMON]: await unit(DAEMON, (text) => text.replace('/etc/stunmesh/config.yaml', `${INSIDE.etc}/config.yaml`)),
      [SERVER]: await unit(SERVER, (text) => text.replace('--listen 0.0.0.0', '--listen 192.0.2.1')),
    },
    files: {
      'config.yaml': config(HERE, far.publicKey, {}),
      'far.yaml': config(FAR, here.publicKey, { run_dir: '/run/far', state_dir: '/var/lib/far' }),
      'here.conf': wireguard(here, HERE, far.publicKey, FAR),
      'far.conf': wireguard(far, FAR, here.publicKey, HERE),
    },
    prepare: `mount -t tmpfs -o mode=755 tmpfs /srv
mkdir -m 700 ${FOLDER}
ip netns add far
ip link add outer type veth peer name inner netns far
ip addr add 192.0.2.1/24 dev outer
ip link set outer up
ip -n far addr add 192.0.2.2/24 dev inner
ip -n far link set inner up
ip -n far link set lo up
wireguard-go ${HERE.device} > /run/wireguard-go.log 2>&1
wg setconf ${HERE.device} ${INSIDE.etc}/here.conf
ip addr add ${HERE.address}/24 dev ${HERE.device}
ip link set ${HERE.device} up
ip netns exec far wireguard-go ${FAR.device} > /run/wireguard-go.log 2>&1
ip netns exec far wg setconf ${FAR.device} ${INSIDE.etc}/far.conf
ip -n far addr add ${FAR.address}/24 dev ${FAR.device}
ip -n far link set ${FAR.device} up
ip netns exec far ${INSIDE.node} ${MAIN} -c ${INSIDE.etc}/far.yaml > /run/far.log 2>&1 &`,
  });
  const reason = await opening.then(
    () => undefined,
    (error: unknown) => `systemd does not come up in namespaces here: ${String(error)}`,
  );
  if (reason !== undefined && process.env['REQUIRE'] !== 'all') return t.skip(reason);
  await using manager = await opening;
  const status = async () => (await manager.exec([INSIDE.node, MAIN, 'status'])).stdout.replace(/\s+/g, ' ');

  for (const name of [SERVER, DAEMON]) assert.equal((await manager.systemctl('start', name)).code, 0, name);
  const told = await until(
    async () => {
      const text = await status();
      return text.includes('EROFS') && text;
    },
    { what: 'the refusal in the status' },
  );
  assert.match(told, /\/srv\/mesh: .*"systemctl edit stunmesh", \[Service\], ReadWritePaths=\/srv\/mesh/);
  assert.doesNotMatch(told, /start stunmesh there/, 'our own failure comes before advice about the peer');

  const dropIn = `mkdir -p /mnt/units/${DAEMON}.d && printf '[Service]\\nReadWritePaths=-${FOLDER}\\n' > /mnt/units/${DAEMON}.d/store.conf`;
  assert.equal((await manager.exec(['sh', '-c', dropIn])).code, 0);
  assert.equal((await manager.systemctl('daemon-reload')).code, 0);
  assert.equal((await manager.systemctl('restart', DAEMON)).code, 0);
  await until(async () => /other connected/.test(await status()), { what: 'the tunnel', deadlineMs: 30_000 });
  assert.equal((await manager.exec(['ping', '-c', '2', '-W', '2', FAR.address])).code, 0);
});
