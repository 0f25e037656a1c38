/** wg-quick's full tunnel: everything without the device's mark goes into a tunnel that is dead, so stores and names must go past it. */
import assert from 'node:assert/strict';
import { startCloudflare, startRedis } from '../lab/index.js';
import { startNames, takeOver, withNameServer } from '../lab/steps/full-tunnel.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';

labTest(
  'F5 a full tunnel that is dead swallows neither names, nor Redis, nor Cloudflare: they carry the mark, and the pair connects',
  { sides: { a: {}, b: {} }, coturn: [1] },
  async (lab) => {
    const names = await startNames(lab);
    const [redis, cloudflare] = await Promise.all([startRedis(lab, 'redis.lab.test'), startCloudflare(lab)]);
    const [a, b] = [lab.host('a'), lab.host('b')];
    await takeOver(a, b);
    const unmarked = await a.exec(['ping', '-c', '1', '-W', '1', '203.0.113.1']);
    assert.notEqual(unmarked.code, 0, 'without the mark nothing leaves');
    const command = [...(await withNameServer(lab)), ...lab.daemonCommand];
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
