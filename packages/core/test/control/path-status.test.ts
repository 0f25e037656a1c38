/** The ways to a peer as `status` shows them: the one in use, others that work, parked, and why none does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatStatus } from '#src/control/format-status.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import type { Path } from '#src/paths/path.js';
import { createHarness, farEndpoint, type Harness } from '../controllers/harness.js';

const endpoint = (text: string) => parseEndpoint(text) ?? assert.fail(text);
const LAN = endpoint('192.168.1.7:51820');

function withPaths(h: Harness, paths: readonly Path[], refused: readonly string[] = []): void {
  h.entry().checks = {
    knowsChecks: true,
    paths: () => paths,
    refused: refused.map((text) => ({ endpoint: endpoint(text), type: 'host', why: 'not on a link of ours' })),
  };
}

const shown = (h: Harness) => h.snapshot().devices[0]?.peers[0] ?? assert.fail('no peer');
const text = (h: Harness) => formatStatus([h.snapshot()], h.clock.wallNow(), { columns: 300 });

test('a connected peer shows the path in use, its round trip, and the other ones that are valid', async () => {
  const h = createHarness();
  await h.start();
  await h.connect();
  const far = endpoint(farEndpoint(0));
  const now = h.clock.now();
  withPaths(
    h,
    [
      { endpoint: far, type: 'reflexive', lan: false, state: 'valid', rttMs: 41.27, lastValidAt: now - 5_000 },
      { endpoint: LAN, type: 'host', lan: true, state: 'valid', rttMs: 1.2, lastValidAt: now },
    ],
    ['10.0.0.9:51820'],
  );
  assert.deepEqual(shown(h).path, {
    endpoint: farEndpoint(0),
    class: 'ipv4',
    state: 'valid',
    rttMs: 41.3,
    lastValidAt: h.clock.wallNow() - 5_000,
  });
  assert.deepEqual(
    shown(h).paths?.map(({ endpoint: at, class: kind, state, why }) => [at, kind, state, why]),
    [
      [farEndpoint(0), 'ipv4', 'valid', undefined],
      [formatEndpoint(LAN), 'lan', 'valid', undefined],
      ['10.0.0.9:51820', 'lan', 'refused', 'not on a link of ours'],
    ],
  );
  assert.match(text(h), /PEER +PHASE +ENDPOINT +PATH/);
  assert.match(text(h), new RegExp(`connected +${farEndpoint(0).replaceAll('.', '\\.')} +IPv4 .* 41 ms`));
  assert.match(text(h), /also valid: 192\.168\.1\.7:51820 \(LAN, 1\.2 ms\)/);
});

test('a peer that knows no checks is reached by an address of its record, or by one that WireGuard learnt', async () => {
  const h = createHarness();
  await h.start();
  await h.connect();
  const { observed } = h.entry();
  assert.ok(observed);
  assert.equal(shown(h).path?.class, 'ipv4');
  h.entry().observed = { ...observed, endpoint: endpoint('198.51.100.77:1953') };
  assert.equal(shown(h).path?.class, 'learnt');
});

test('a peer without a tunnel shows why each path does not answer, and that its endpoint is parked', async () => {
  const h = createHarness();
  await h.start();
  await h.peer().publish({ ipv4: farEndpoint(0), t: h.clock.wallNow() / 1000 });
  await h.advance(15_000);
  withPaths(h, [{ endpoint: LAN, type: 'host', lan: true, state: 'failed' }], ['10.0.0.9:51820']);
  h.entry().parkedFrom = endpoint(farEndpoint(0));
  assert.equal(shown(h).parked, true);
  assert.equal(shown(h).path, undefined);
  const words = text(h);
  assert.match(words, /connecting +parked +-/);
  assert.match(words, /parked: nothing is sent to it but checks/);
  assert.match(words, /192\.168\.1\.7:51820 \(LAN\): nothing answers there/);
  assert.match(words, /10\.0\.0\.9:51820 \(LAN\): not on a link of ours/);
});

test('checks are counted in the snapshot', async () => {
  const h = createHarness();
  await h.start();
  h.device.checkCounts.sent += 3;
  assert.equal(h.snapshot().devices[0]?.checks?.sent, 3);
});

test('a hard NAT: the series that runs, the pause, what is not searched and why, and the diversion', async () => {
  const h = createHarness();
  await h.start();
  const none = { series: 0, sent: 0, of: 0 };
  const at = new Date(2026, 11, 1, 12, 40).getTime();
  for (const [search, words] of [
    [{ series: 1, sent: 230, of: 1_024 }, /opening a hard NAT: series 1, 230 of 1,024 packets/],
    [{ ...none, series: 3, pausedUntil: at }, /hard NAT: paused until 12:40 \(budget\)/],
    [{ ...none, nextAt: at }, /hard NAT: the next series begins at 12:40/],
    [{ ...none, why: 'switched off by hard_nat' }, /hard NAT: switched off by hard_nat/],
  ] as const) {
    h.entry().search = () => search;
    assert.match(text(h), words);
  }
  h.entry().search = undefined;
  h.entry().diversion = { port: 40_155, remote: endpoint('203.0.113.12:51820') };
  assert.match(text(h), /diverted to source port 40155, towards 203\.0\.113\.12:51820/);
});
