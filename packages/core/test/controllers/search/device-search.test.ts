import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, StunmeshError } from '#src/api/index.js';
import { createDeviceSearch } from '#src/controllers/search/device-search.js';
import type { SearchSend } from '#src/paths/search-series.js';
import type { PeerEntry } from '#src/peers/peer-table.js';
import type { EndpointRecord } from '#src/record/endpoint-record.js';
import { createPairKeys } from '#src/record/pair-keys.js';
import type { PathCode } from '#src/record/path-code.js';
import { BARE_CODE } from '../../record/coded.js';
import { createComponents } from '../doubles.js';
import { createMemorySearch } from './memory-search.js';

const OWN: Endpoint = { family: 4, address: '203.0.113.11', port: 40_000 };
const THEIRS: Endpoint = { family: 4, address: '203.0.113.12', port: 51_820 };
const STEADY = { mapping4: 'endpoint-independent', allocation: 'unknown' } as const;
const HARD = { mapping4: 'address-and-port-dependent', allocation: 'random' } as const;
const MINUTE = 60_000;

/** This host's router is `own`, the peer's `theirs`; both records were written now. */
function setUp(
  t: { after(end: () => Promise<void>): void },
  own: Pick<PathCode, 'mapping4' | 'allocation'>,
  theirs: Pick<PathCode, 'mapping4' | 'allocation'>,
) {
  const doubles = createComponents();
  const { c, clock, peer, device, capture } = doubles;
  const seconds = () => Math.floor(clock.wallNow() / 1_000);
  const record = (nat: typeof own, ipv4: Endpoint, time: number): EndpointRecord => ({
    ipv4,
    c: { ...BARE_CODE, filtering4: 'address-and-port-dependent', t: time, n: 1, ...nat },
  });
  device.config = { ...device.config, hardNat: 'full' };
  peer.phase = 'connecting';
  peer.keys = createPairKeys(doubles.own.secretKey, doubles.own.publicKey, peer.publicKey);
  const host = createMemorySearch({ clock, logger: c.logger, signal: doubles.stopping.signal });
  const seen = {
    wrote: seconds(),
    theyWrote: seconds(),
    restated: 0,
    own,
    sent: [] as SearchSend[],
    heard: [] as ({ readonly first: number; readonly last: number } | undefined)[],
    opened: [] as Endpoint[],
  };
  let ids = 0;
  const search = createDeviceSearch({
    ...c,
    host,
    statement: {
      hasAddresses: true,
      told: () => ({ addresses: 'ours', nat: seen.own.mapping4 }),
      record: ({ t: time }) => record(seen.own, OWN, time),
    },
    checks: {
      known: () => ({ record: record(theirs, THEIRS, seen.theyWrote), ownTime: seen.wrote }),
      createId() {
        ids += 1;
        return Uint8Array.from([1, 2, 3, 4, 0, 0, 0, 0, 0, 0, ids >> 8, ids & 255]);
      },
      send: (_: PeerEntry, send) => void seen.sent.push(send),
      hear: (ports) => void seen.heard.push(ports),
      opened: (_, from) => void seen.opened.push(from),
    },
    restate() {
      seen.restated += 1;
      seen.wrote = seconds();
    },
  });
  t.after(async () => {
    doubles.stopping.abort();
    await search.stop();
    await host.stop();
  });
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 1_000) {
      search.tick();
      await clock.advance(1_000);
    }
  };
  return { ...doubles, search, host, seen, pass, rules: capture.rules, status: () => peer.search?.() };
}

test('F60 the symmetric side opens from ports of its own; a hit is diverted, and the checks go on from there', async (t) => {
  const { search, seen, pass, peer, rules, status } = setUp(t, HARD, STEADY);
  search.tick();
  assert.equal(status()?.why, undefined);
  search.changed();
  await pass(6 * MINUTE);
  const ports = new Set(seen.sent.map(({ sourcePort }) => sourcePort));
  assert.equal(ports.size, 256);
  assert.ok(rules.hushes.length >= 1, 'this host does not say that they are closed');
  const [first] = seen.sent;
  assert.ok(first?.sourcePort !== undefined);
  const running = seen.heard.find((one) => one !== undefined);
  assert.ok(running && running.first <= first.sourcePort && first.sourcePort <= running.last);

  // The peer's probe arrives at one of them while the series runs, and it answers ours.
  while (seen.heard.at(-1) === undefined) await pass(1_000);
  const request = { betterPath: false } as Parameters<typeof search.onRequest>[3];
  search.onRequest(peer, THEIRS, first.sourcePort, request);
  await pass(1_000);
  const asked = seen.sent.findLast(({ low }) => !low);
  assert.deepEqual([asked?.sourcePort, asked?.to], [first.sourcePort, THEIRS]);
  search.onAnswer(peer, asked?.transactionId ?? new Uint8Array(), THEIRS);
  await pass(1_000);
  assert.deepEqual(
    rules.diverted.map(({ sourcePort, remote }) => [sourcePort, remote]),
    [[first.sourcePort, THEIRS]],
  );
  assert.deepEqual(seen.opened, [THEIRS]);
  assert.equal(seen.heard.at(-1), undefined, 'the ports are closed again');
});

test('F62 not one packet for a peer that is connected, switched off, easy, or whose record is old', async (t) => {
  for (const change of ['connected', 'off', 'off for the peer', 'old'] as const) {
    const { search, seen, pass, peer, device } = setUp(t, STEADY, HARD);
    if (change === 'connected') peer.phase = 'connected';
    if (change === 'off') device.config = { ...device.config, hardNat: 'off' };
    if (change === 'off for the peer') peer.config = { ...peer.config, hardNat: 'off' };
    if (change === 'old') seen.theyWrote -= 660;
    search.changed();
    await pass(6 * MINUTE);
    assert.equal(seen.sent.length, 0, change);
  }
  const easy = setUp(t, STEADY, STEADY);
  easy.search.changed();
  await easy.pass(6 * MINUTE);
  assert.equal(easy.seen.sent.length, 0);
  assert.equal(easy.status(), undefined, 'there is nothing to be said of it');
});

test('F60 a NAT that is known only after the peer’s record came is searched in the next slot all the same', async (t) => {
  const { search, seen, pass } = setUp(t, { mapping4: 'unknown', allocation: 'unknown' }, HARD);
  search.changed();
  await pass(20_000);
  seen.own = STEADY;
  await pass(6 * MINUTE);
  assert.equal(seen.sent.length, 1_024);
});

test('F60 a pair that does not meet says again what still holds, so that no record is too old for the next series', async (t) => {
  const { search, seen, pass } = setUp(t, STEADY, HARD);
  search.changed();
  await pass(30 * MINUTE);
  // About each five minutes, and the peer does the same.
  assert.ok(seen.restated >= 4 && seen.restated <= 8, `${seen.restated}`);
  const easy = setUp(t, STEADY, STEADY);
  await easy.pass(30 * MINUTE);
  assert.equal(easy.seen.restated, 0);
});

test('F61 a kernel that turns out to have no nf_tables opens nothing, in words', async (t) => {
  const { search, seen, pass, status, capture } = setUp(t, HARD, STEADY);
  capture.fail('filter', new StunmeshError('ERR_CAPTURE_FILTER', 'this kernel has no nf_tables'));
  search.changed();
  await pass(6 * MINUTE);
  assert.match(status()?.why ?? '', /load the module nf_tables/);
  assert.equal(seen.sent.length, 0);
});

test('F61 what is hopeless or needs a choice is refused, in words', (t) => {
  const both = setUp(t, HARD, HARD);
  both.search.tick();
  assert.match(both.status()?.why ?? '', /tens of thousands of mappings/);
  const guess = setUp(t, STEADY, HARD);
  guess.device.config = { ...guess.device.config, hardNat: 'predicted' };
  guess.search.tick();
  assert.match(guess.status()?.why ?? '', /hard_nat: full would search/);
  const bsd = setUp(t, HARD, STEADY);
  Object.defineProperty(bsd.c.underlay, 'diverts', { value: false });
  bsd.search.tick();
  assert.match(bsd.status()?.why ?? '', /no rules by which packets leave from another port/);
});
