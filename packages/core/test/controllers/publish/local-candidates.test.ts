/** Addresses of the local network and those that the operator names, on their way into records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import { planReconfiguration } from '#src/peers/reconfigure.js';
import { createHarness, type Harness, type HarnessOptions } from '../harness.js';

const LATE_MS = 5_000;

async function started(options: HarnessOptions = {}): Promise<Harness> {
  const h = createHarness({ lan: true, ...options });
  await h.start();
  await h.advance(3_000);
  return h;
}

function told(h: Harness): Readonly<Record<string, string | number>> {
  const { candidates } = h.peer().ourRecord()?.c ?? assert.fail('no member c');
  return Object.fromEntries(
    Object.entries(candidates).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : formatEndpoint(value),
    ]),
  );
}

/** A resolver over a table; a name that is not there does not resolve. */
function names(table: Record<string, string>, delayMs = 0): NonNullable<HarnessOptions['resolve']> {
  return async (host, family) => {
    if (delayMs > 0) await new Promise((resolve) => setImmediate(resolve));
    const address = table[host];
    if (address === undefined) throw new StunmeshError('ERR_RESOLVE', `${host}: no such name`);
    return address.includes(':') === (family === 6) ? [address] : [];
  };
}

test("a record tells the addresses of this host's links with WireGuard's port, and none where lan is off", async () => {
  assert.deepEqual(told(await started()), { lan4: '192.168.1.2:51820' });
  assert.deepEqual(told(await started({ lan: false })), {});
  assert.deepEqual(told(await started({ lan: [] })), { lan4: '192.168.1.2:51820' });
});

test('an address of the local network that comes or goes is published anew, and counts as no changed mapping', async () => {
  const h = await started();
  const { generation } = h.device;
  const [lo, eth0] = await h.capture.listInterfaces();
  assert.ok(lo && eth0);
  h.capture.setInterfaces([lo, { ...eth0, addresses: [{ family: 4, address: '192.168.7.7', prefixLength: 24 }] }]);
  h.forget();
  await h.advance(70_000);
  assert.deepEqual(told(h), { lan4: '192.168.7.7:51820' });
  assert.equal(h.device.generation, generation);
  assert.equal(h.only('publish').length, 1);
});

test('advertised addresses are told beside those that STUN sees, the first of each family', async () => {
  const resolve = names({ 'vpn.example.org': '198.51.100.20', 'six.example.org': '2001:db8:9::9' });
  const advertise = ['vpn.example.org:443', '192.0.2.200:1', 'six.example.org:444'];
  const h = await started({ lan: false, advertise, resolve, protocol: 'dualstack' });
  assert.deepEqual(told(h), { configured4: '198.51.100.20:443', configured6: '[2001:db8:9::9]:444' });
  assert.deepEqual(told(await started({ lan: false, advertise, resolve })), { configured4: '198.51.100.20:443' });
});

test('F80 a name that does not resolve is told once, keeps what it led to before, and is asked for again', async () => {
  const table: Record<string, string> = { 'vpn.example.org': '198.51.100.20' };
  const options = { lan: false, advertise: ['vpn.example.org:443'], resolve: names(table), refreshIntervalMs: 60_000 };
  const h = await started(options);
  delete table['vpn.example.org'];
  await h.advance(200_000);
  assert.deepEqual(told(h), { configured4: '198.51.100.20:443' });
  const [error] = h.snapshot().devices[0]?.errors ?? [];
  assert.deepEqual([error?.of, error?.code], ['advertise', 'ERR_RESOLVE']);
  assert.match(error?.message ?? '', /vpn\.example\.org:443.*no such name/);
  assert.equal(h.logger.lines.filter(({ message }) => message.includes('to advertise')).length, 1);
  table['vpn.example.org'] = '198.51.100.21';
  await h.advance(70_000);
  assert.deepEqual(told(h), { configured4: '198.51.100.21:443' });
  assert.deepEqual(h.snapshot().devices[0]?.errors, []);
});

test('F13 a resolver that hangs keeps no record waiting for more than a second; what it tells later is written then', async () => {
  const h = createHarness({
    lan: false,
    advertise: ['slow.example.org:443'],
    async resolve(_host, _family, signal) {
      await h.clock.sleep(LATE_MS, signal);
      return ['198.51.100.30'];
    },
  });
  await h.start();
  await h.advance(2_500);
  assert.deepEqual(told(h), {});
  await h.advance(LATE_MS);
  assert.deepEqual(told(h), { configured4: '198.51.100.30:443' });
});

test('F19 a name that leads to an address of nobody is not told', async () => {
  const h = await started({
    lan: false,
    advertise: ['lo.example.org:443'],
    resolve: names({ 'lo.example.org': '127.0.0.1' }),
  });
  assert.deepEqual(told(h), {});
  assert.match(h.snapshot().devices[0]?.errors[0]?.message ?? '', /no address/);
});

test('a reload of lan and advertise publishes anew', async () => {
  const h = await started({ resolve: names({}) });
  const config = { ...h.device.config, lan: false, advertise: ['192.0.2.77:5000'] };
  assert.equal((await planReconfiguration(h.device, config, h.clock))(), true);
  h.session.reconfigured();
  await h.advance(3_000);
  assert.deepEqual(told(h), { configured4: '192.0.2.77:5000' });
});

test('without a reflexive address nothing is published for the LAN alone, but what is advertised is', async () => {
  const mute = new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence');
  for (const [advertise, expected] of [
    [[], 0],
    [['192.0.2.77:5000'], 1],
  ] as const) {
    const h = createHarness({ lan: true, advertise });
    h.mappings.set(4, mute);
    await h.start();
    await h.advance(3_000);
    assert.equal(h.only('publish').length, expected);
  }
});
