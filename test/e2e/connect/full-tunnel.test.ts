/** wg-quick's full tunnel: everything without the device's mark goes into a tunnel that is dead, so stores and names must go past it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Host, type Lab, must, REPOSITORY, startCloudflare, startRedis, until } from '../lab/index.js';
import { hexKey } from '../lab/keys.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';
import { uapi } from '../lab/uapi.js';

/** wg-quick's first choice for both. */
const MARK = 51820;
const NAME_SERVER = '203.0.113.2';

/** As wg-quick(8) does it for a peer with AllowedIPs = 0.0.0.0/0. */
async function takeOver(host: Host, peer: Host): Promise<void> {
  const all = `public_key=${hexKey(peer.keys.publicKey)}\nupdate_only=true\nallowed_ip=0.0.0.0/0`;
  await uapi(host.device, `set=1\nfwmark=${MARK}\n${all}`);
  const lines = [
    `route add 0.0.0.0/0 dev ${host.device} table ${MARK}`,
    `rule add not fwmark ${MARK} table ${MARK}`,
    'rule add table main suppress_prefixlength 0',
  ];
  await must(undefined, ['ip', '-4', '-n', host.namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  await must(host.namespace, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/src_valid_mark']);
}

/** The daemon's command in a namespace whose resolv.conf names our server; `ip netns exec` gave it mounts of its own. */
async function withNameServer(lab: Lab): Promise<readonly string[]> {
  const file = join(lab.dir, 'resolv.conf');
  await writeFile(file, `nameserver ${NAME_SERVER}\n`);
  return ['sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file, ...lab.daemonCommand];
}

labTest(
  'F5 a full tunnel that is dead swallows neither names, nor Redis, nor Cloudflare: they carry the mark, and the pair connects',
  { sides: { a: {}, b: {} }, coturn: [1] },
  async (lab) => {
    const fixture = join(REPOSITORY, 'test/fixtures/e2e/name-server.mjs');
    const names = lab.spawn(lab.publicNamespace, [process.execPath, fixture, NAME_SERVER, '203.0.113.1']);
    await until(() => names.stdout.includes('ready'), { what: 'the name server' });
    const [redis, cloudflare] = await Promise.all([startRedis(lab, 'redis.lab.test'), startCloudflare(lab)]);
    const [a, b] = [lab.host('a'), lab.host('b')];
    await takeOver(a, b);
    const unmarked = await a.exec(['ping', '-c', '1', '-W', '1', '203.0.113.1']);
    assert.notEqual(unmarked.code, 0, 'without the mark nothing leaves');
    const command = await withNameServer(lab);
    const plugins = { redis: redis.plugin, cloudflare: cloudflare.plugin };
    const plugin = ['redis', 'cloudflare'];
    const options = {
      plugins,
      env: cloudflare.env,
      command,
      stun: ['stun.lab.test:3478'],
      peerOverrides: { a: { plugin }, b: { plugin } },
    };
    const [daemon] = await Promise.all([a.startDaemon(options), b.startDaemon(options)]);
    await expectTunnel(a, b);
    const status = await daemon.waitFor((seen) => seen.stores.every(({ sets, gets }) => sets > 0 && gets > 0) && seen, {
      what: 'both stores to be written to',
    });
    assert.deepEqual(
      status.stores.map(({ name, failures }) => [name, failures]),
      [
        ['redis', 0],
        ['cloudflare', 0],
      ],
      daemon.log(),
    );
    assert.match(daemon.log(), /takes over the default way/);
    assert.match(names.stdout, /^stun\.lab\.test 1$/m);
    assert.match(names.stdout, /^redis\.lab\.test 1$/m);
  },
);
