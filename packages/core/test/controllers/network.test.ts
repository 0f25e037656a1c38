/** What a change of this host's own network leads to: one look at everything, once it is quiet, and nothing for networks that are not ours (F27). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createHarness, farEndpoint, type Harness } from './harness.js';

const SERVER = '203.0.113.1';

async function connected(): Promise<Harness> {
  const h = createHarness({ peers: 2, serverAddress: SERVER, keepaliveSeconds: 25 });
  h.capture.setRoute(SERVER, { interface: 'eth0', source: '192.168.1.2' });
  await h.start();
  await Promise.all([h.connect(0), h.connect(1)]);
  await h.live(10_000);
  h.forget();
  return h;
}

const named = (h: Harness, event: string): number => h.events.filter((e) => e.event === event).length;

test('F27 an address that other networks of this host get or lose costs nothing', async () => {
  const h = await connected();
  for (const kind of ['link', 'address', 'route'] as const) h.capture.change({ kind, interface: 'veth7' });
  await h.live(5_000);
  assert.deepEqual(h.only('discover', 'set', 'kick', 'get', 'publish'), []);
  assert.equal(named(h, 'network'), 0);
});

test('F27 a host that leaves from another address tells WireGuard each present endpoint again, then discovers, once for all events', async () => {
  const h = await connected();
  h.capture.setRoute(SERVER, { interface: 'eth0', source: '10.1.1.2' });
  for (let i = 0; i < 20; i += 1) {
    h.capture.change({ kind: 'address', interface: 'eth0' });
    await h.advance(40);
  }
  await h.live(5_000);
  assert.deepEqual(
    h
      .only('set')
      .map(({ to }) => to)
      .sort(),
    [farEndpoint(0), farEndpoint(1)],
  );
  assert.equal(h.only('discover').length, 1);
  assert.ok((h.only('set')[0]?.at ?? 0) <= (h.only('discover')[0]?.at ?? 0));
  assert.equal(named(h, 'network'), 1);
  assert.deepEqual([h.entry(0).endpointWrites, h.entry(1).endpointWrites], [1, 1]);
  assert.deepEqual([h.entry(0).phase, h.entry(1).phase], ['connected', 'connected']);
});

test('F27 a link that comes back with its address is looked at, and WireGuard is not written to', async () => {
  const h = await connected();
  h.capture.setRoute(SERVER, undefined);
  h.capture.change({ kind: 'link', interface: 'eth0' });
  await h.live(5_000);
  assert.equal(named(h, 'network'), 1, 'gone');
  h.capture.setRoute(SERVER, { interface: 'eth0', source: '192.168.1.2' });
  h.capture.change({ kind: 'link', interface: 'eth0' });
  await h.live(5_000);
  assert.equal(named(h, 'network'), 2, 'back');
  assert.equal(h.only('discover').length, 2);
  assert.deepEqual(h.only('set'), []);
});

test('F27 a capture that cannot tell of changes costs a warning, and everything else works', async () => {
  const h = createHarness({
    keepaliveSeconds: 25,
    prepare(capture) {
      capture.watchNetwork = () => Promise.reject(new StunmeshError('ERR_CAPTURE_OPEN', 'no netlink here'));
    },
  });
  await h.start();
  await h.connect();
  assert.equal(h.entry().phase, 'connected');
  assert.equal(h.logger.lines.filter(({ message }) => message.startsWith('no network events')).length, 1);
});

test('F27 news that end while running are said', async () => {
  let fail: ((error: StunmeshError) => void) | undefined;
  const h = createHarness({
    prepare(capture) {
      const { watchNetwork } = capture;
      capture.watchNetwork = (on) => {
        fail = on.onFault;
        return watchNetwork(on);
      };
    },
  });
  await h.start();
  fail?.(new StunmeshError('ERR_CAPTURE_LOST', 'gone'));
  assert.match(h.logger.text(), /network events are lost/);
});

test('F27 routes that cannot be asked for leave everything as it is', async () => {
  const h = await connected();
  h.capture.routeTo = () => Promise.reject(new Error('EIO'));
  h.capture.change({ kind: 'route' });
  await h.live(5_000);
  assert.deepEqual(h.only('discover', 'set'), []);
  assert.match(h.logger.text(), /could not look at the routes/);
});

test('F27 a capture without routes hears of links all the same', async () => {
  const h = createHarness({ serverAddress: SERVER, keepaliveSeconds: 25 });
  Reflect.deleteProperty(h.capture, 'routeTo');
  await h.start();
  await h.connect();
  h.capture.change({ kind: 'link', interface: 'eth0' });
  await h.live(5_000);
  assert.equal(h.entry().phase, 'connected');
});
