/** Pings through the tunnels: what one lost echo costs, how soon a dead peer is found, and that failing sends count (F28, F29). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { planReconfiguration } from '#src/peers/reconfigure.js';
import { createHarness, type Harness, type HarnessOptions } from '../harness.js';

const INSIDE = '10.99.1.1';

async function pinged(ping: Partial<NonNullable<HarnessOptions['ping']>>, more: HarnessOptions = {}): Promise<Harness> {
  const h = createHarness({
    ping: { enabled: true, target: INSIDE, intervalMs: 1_000, timeoutMs: 1_000, ...ping },
    keepaliveSeconds: 25,
    mappingCheckMs: 0,
    ...more,
  });
  await h.start();
  await h.connect();
  await h.advance(10_000);
  assert.equal(h.entry().phase, 'connected');
  h.forget();
  return h;
}

const suspectAt = (h: Harness): number | undefined =>
  h.events.some(({ event, data }) => event === 'phase' && data['to'] === 'suspect') ? h.clock.now() : undefined;

/** Milliseconds from now until the peer is suspect. */
async function untilSuspect(h: Harness, mostMs: number): Promise<number> {
  const from = h.clock.now();
  while (h.clock.now() - from < mostMs) {
    await h.advance(100);
    if (suspectAt(h) !== undefined) return h.clock.now() - from;
  }
  return Number.POSITIVE_INFINITY;
}

for (const [intervalMs, timeoutMs] of [
  [1_000, 1_000],
  [2_000, 2_000],
  [1_000, 3_000],
  [5_000, 1_000],
] as const) {
  test(`F28 pings every ${intervalMs} ms with a timeout of ${timeoutMs} ms find a dead peer within one interval, one timeout and a second`, async () => {
    const h = await pinged({ intervalMs, timeoutMs });
    h.peer().answersAt = undefined;
    const took = await untilSuspect(h, 60_000);
    assert.ok(took <= intervalMs + timeoutMs + 1_000, `${took} ms`);
  });
}

test('F29 one lost echo costs two more echoes and a look at our own mapping, and nothing else', async () => {
  const h = await pinged({});
  const answersAt = h.peer().answersAt;
  h.peer().answersAt = undefined;
  const sent = h.only('kick').length;
  // Until just one ping has gone out.
  while (h.only('kick').length === sent) await h.advance(50);
  h.peer().answersAt = answersAt;
  await h.advance(20_000);
  assert.equal(suspectAt(h), undefined);
  assert.equal(h.only('discover').length, 1);
  assert.deepEqual(h.only('set', 'renew', 'get', 'publish'), []);
  assert.equal(h.entry().phase, 'connected');
});

test('F18c the NAT in front of us moved: the new address is published before the timeout of the first ping that is lost', async () => {
  const h = await pinged({});
  h.mappings.set(4, '203.0.113.9:40009');
  h.peer().answersAt = undefined;
  const sent = h.only('kick').length;
  while (h.only('kick').length === sent) await h.advance(10);
  await h.advance(500);
  assert.equal(h.only('publish').length, 1);
  assert.equal(suspectAt(h), undefined);
});

test('F77 pings that are late again and again have our mapping looked at a dozen times in a minute at most', async () => {
  const h = await pinged({});
  const answersAt = h.peer().answersAt;
  for (let i = 0; i < 60; i += 1) {
    h.peer().answersAt = undefined;
    await h.advance(900);
    h.peer().answersAt = answersAt;
    await h.advance(1_100);
  }
  assert.equal(h.entry().phase, 'connected');
  assert.ok(h.only('discover').length <= 24, `${h.only('discover').length}`);
});

test('F28 pings that cannot be sent are failed pings', async () => {
  const h = await pinged({});
  h.peer().answersAt = undefined;
  h.capture.fail('echo', new StunmeshError('ERR_CAPTURE_UNREACHABLE', 'no way'));
  assert.ok((await untilSuspect(h, 30_000)) <= 15_000);
});

test('F29 every peer has a timer of its own: one that hangs delays no other', async () => {
  const h = createHarness({
    peers: 2,
    ping: { enabled: true, target: INSIDE, intervalMs: 1_000, timeoutMs: 1_000 },
    keepaliveSeconds: 25,
  });
  await h.start();
  await Promise.all([h.connect(0), h.connect(1)]);
  await h.advance(5_000);
  h.forget();
  await h.advance(10_000);
  // Both share a target here, so that twenty echoes are two peers' ten.
  assert.ok(h.only('kick').length >= 18 && h.only('kick').length <= 22, `${h.only('kick').length}`);
});

test('F30 a target by name is resolved, and again once its pings go unanswered', async () => {
  const asked: string[] = [];
  let address = INSIDE;
  const h = await pinged(
    { target: 'router.site.test' },
    {
      resolve: async (name, family) => {
        asked.push(`${name}/${family}`);
        return family === 4 ? [address] : [];
      },
    },
  );
  assert.deepEqual(asked, ['router.site.test/4']);
  assert.ok(h.only('kick').length === 0 && h.capture.echoes.some(({ to }) => to === INSIDE));
  const answersAt = h.peer().answersAt;
  h.peer().answersAt = undefined;
  address = '10.99.1.9';
  await h.advance(3_000);
  h.peer().answersAt = answersAt;
  await h.advance(3_000);
  assert.ok(asked.length >= 2, `${asked.length}`);
  assert.ok(h.capture.echoes.some(({ to }) => to === '10.99.1.9'));
});

test('F30 a name that does not resolve is said once, tried again, and never a reason to call the peer dead', async () => {
  let known = false;
  const h = createHarness({
    ping: { enabled: true, target: 'router.site.test', intervalMs: 1_000, timeoutMs: 1_000 },
    keepaliveSeconds: 25,
    mappingCheckMs: 0,
    resolve: async () => {
      if (!known) throw new StunmeshError('ERR_RESOLVE', 'no such name');
      return [INSIDE];
    },
  });
  await h.start();
  await h.connect();
  await h.live(120_000);
  const warnings = h.logger.lines.filter(({ message }) => message === 'cannot ping');
  assert.equal(warnings.length, 1);
  assert.equal(suspectAt(h), undefined);
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError?.code, 'ERR_RESOLVE');
  known = true;
  await h.live(31_000);
  assert.ok(h.capture.echoes.some(({ to }) => to === INSIDE));
});

test('a ping that is reconfigured goes on by its new settings, and one that is switched off ends', async () => {
  const h = await pinged({});
  const reconfigure = async (ping: NonNullable<HarnessOptions['ping']>) => {
    const peers = new Map([...h.device.config.peers].map(([name, peer]) => [name, { ...peer, ping }]));
    (await planReconfiguration(h.device, { ...h.device.config, peers }, h.clock))();
    h.session.reconfigured();
  };
  await reconfigure({ enabled: true, target: INSIDE, intervalMs: 10_000, timeoutMs: 1_000 });
  await h.advance(5_000);
  h.forget();
  await h.live(60_000);
  assert.ok(h.only('kick').length >= 5 && h.only('kick').length <= 8, `${h.only('kick').length}`);
  await reconfigure({ enabled: false, intervalMs: 1_000, timeoutMs: 1_000 });
  await h.advance(2_000);
  h.forget();
  await h.live(60_000);
  assert.deepEqual(h.only('kick'), []);
});
