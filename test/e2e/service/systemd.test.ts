/** The units under a real systemd: ready when the daemon runs, all it needs is allowed, reloaded, stopped; the STUN server serves it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createKeyPair, REPOSITORY, until } from '../lab/index.js';
import { INSIDE, missingForManager, openServiceManager } from './steps/service-manager.js';

const MAIN = `${INSIDE.node} ${INSIDE.repository}/packages/core/dist/cli/main.js`;
const DAEMON = 'stunmesh.service';
const SERVER = 'stunmesh-stun-server.service';
const missing = missingForManager();
const skip = missing !== undefined && process.env['REQUIRE'] !== 'all' ? missing : false;

async function unit(name: string, change: (text: string) => string): Promise<string> {
  const text = await readFile(join(REPOSITORY, 'packages/core/service/systemd', name), 'utf8');
  return change(text).replace('/usr/bin/stunmesh', MAIN);
}

test('systemd starts both units, confined as they are, and they do their work', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const [own, peer] = [createKeyPair(), createKeyPair()];
  const config = {
    stun: { addresses: ['192.0.2.1:3478'] },
    plugins: { shared: { type: 'builtin', name: 'file', path: '/var/lib/stunmesh/records' } },
    interfaces: { sdtest0: { peers: { b: { public_key: peer.publicKey, plugin: 'shared' } } } },
  };
  const wireguard = `[Interface]
PrivateKey = ${own.secret.toString('base64')}
ListenPort = 51820
[Peer]
PublicKey = ${peer.publicKey}
AllowedIPs = 10.0.0.2/32
`;
  const opening = openServiceManager({
    repository: REPOSITORY,
    units: {
      [DAEMON]: await unit(DAEMON, (text) =>
        text
          .replace('/etc/stunmesh/config.yaml', `${INSIDE.etc}/config.yaml`)
          .replace(/^#(LoadCredential=redis-password:).*$/m, `$1${INSIDE.etc}/redis-password`),
      ),
      [SERVER]: await unit(SERVER, (text) => text.replace('--listen 0.0.0.0', '--listen 192.0.2.1')),
    },
    files: { 'config.yaml': JSON.stringify(config), 'redis-password': 'hunter2', 'wg.conf': wireguard },
    // A device of userspace WireGuard, and an address that is not a loopback one.
    prepare: `ip link add outer type veth peer name inner
ip addr add 192.0.2.1/24 dev outer
ip link set outer up
ip link set inner up
wireguard-go sdtest0 > /run/wireguard-go.log 2>&1
wg setconf sdtest0 ${INSIDE.etc}/wg.conf
ip link set sdtest0 up`,
  }); // A container may forbid what a manager of its own needs.
  const reason = await opening.then(
    () => undefined,
    (error: unknown) => `systemd does not come up in namespaces here: ${String(error)}`,
  );
  if (reason !== undefined && process.env['REQUIRE'] !== 'all') return t.skip(reason);
  await using manager = await opening;

  for (const name of [SERVER, DAEMON]) {
    const started = await manager.systemctl('start', name);
    const { stdout } = await manager.systemctl('status', name);
    assert.equal(started.code, 0, `${started.stderr}${stdout}`);
  }
  assert.equal(await manager.property(DAEMON, 'StatusText'), 'devices: sdtest0');

  const pid = await manager.property(DAEMON, 'MainPID');
  const status = (await manager.exec(['cat', `/proc/${pid}/status`])).stdout;
  for (const line of [
    /^CapEff:\t0000000000003000$/m,
    /^CapBnd:\t0000000000003000$/m,
    /^NoNewPrivs:\t1$/m,
    /^Seccomp:\t2$/m,
  ])
    assert.match(status, line);
  const server = await manager.property(SERVER, 'MainPID');
  const confined = (await manager.exec(['cat', `/proc/${server}/status`])).stdout;
  assert.match(confined, /^CapBnd:\t0000000000000000$/m);
  assert.doesNotMatch(confined, /^Uid:\t0\t/m);

  // Asked from WireGuard's port through a raw socket, answered by the other unit, written to the folder of the state.
  const command = [INSIDE.node, `${INSIDE.repository}/packages/core/dist/cli/main.js`, 'status', '--json'];
  const published = await until(
    async () => {
      const { stdout } = await manager.exec(command);
      return stdout.includes('"published"') && stdout;
    },
    { what: 'a published record' },
  );
  assert.match(published, /"reflexive":\{"ipv4":"192\.0\.2\.1:51820"\}/);
  assert.match((await manager.exec(['ls', '/var/lib/stunmesh/records'])).stdout, /[0-9a-f]{40}/);

  // The credential is there for this service, under the name by which stores look for it.
  const environment = (await manager.exec(['cat', `/proc/${pid}/environ`])).stdout.split('\0');
  const folder = environment.find((line) => line.startsWith('CREDENTIALS_DIRECTORY='))?.split('=')[1];
  const inService = ['nsenter', '-t', pid, '-m', 'cat', `${folder}/redis-password`];
  const shown = await manager.exec(inService);
  assert.equal(shown.stdout, 'hunter2', `${folder}: ${shown.stderr}`);

  assert.equal((await manager.systemctl('reload', DAEMON)).code, 0);
  assert.equal((await manager.systemctl('is-active', DAEMON)).stdout, 'active\n');
  for (const name of [DAEMON, SERVER]) {
    assert.equal((await manager.systemctl('stop', name)).code, 0);
    assert.equal(await manager.property(name, 'Result'), 'success');
    assert.equal(await manager.property(name, 'ExecMainStatus'), '0');
  }
});
