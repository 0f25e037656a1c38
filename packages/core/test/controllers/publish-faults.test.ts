/** Publishing by itself: what is logged and kept where discovery, a store or a reader of news fails (F11, F13, F15, F34). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StoreTraits, StunmeshError } from '#src/api/index.js';
import type { NamedStore } from '#src/controllers/device-components.js';
import { createDiscoverySchedule } from '#src/controllers/publish/discovery-schedule.js';
import { createGather } from '#src/controllers/publish/gather.js';
import { createOwnRecord } from '#src/controllers/publish/own-record.js';
import { createPublish, type PublishComponents } from '#src/controllers/publish/publish.js';
import { createWriting } from '#src/controllers/publish/writing.js';
import { createEndpoint } from '#src/net/index.js';
import { peerFault } from '#src/peers/faults.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { createMemoryStore } from '#src/testing/index.js';
import { codedPlain } from '../record/coded.js';
import { createComponents, type DoubleOptions } from './doubles.js';

const OWN = createEndpoint(Uint8Array.of(203, 0, 113, 9), 40_000);
const TRAITS: StoreTraits = { maxValueBytes: 65_536, minPollMs: 500 };

function publisher(options: DoubleOptions = {}, on: Partial<PublishComponents> = {}) {
  const found = { endpoint: OWN, mapped: OWN, server: 'stun.test:3478', rttMs: 20.4, natted: true };
  const memory = createMemoryStore();
  const store: NamedStore = { ...memory, name: 'main', traits: TRAITS };
  const d = createComponents({
    stores: [store],
    ...options,
    parts: { discover: async () => found, ...options.parts },
  });
  d.peer.channel = createChannel(d.own.secretKey, d.peer.publicKey);
  const ownRecord = createOwnRecord(d.c);
  const publish = createPublish({
    ...d.c,
    gather: createGather({ ...d.c, outvoted() {} }),
    schedule: createDiscoverySchedule(d.c),
    writing: createWriting({ ...d.c, ownRecord }),
    mappingChanged: async () => undefined,
    discovered: async () => undefined,
    ...on,
  });
  return { ...d, memory, publish, ownRecord, found, key: storeKey(d.own.publicKey, d.peer.publicKey) };
}

test('a discovery that fails for a reason of ours is told once, as a fault of that family, and the record says nothing of it', async () => {
  const discover = () => Promise.reject(new TypeError('a bug'));
  const d = publisher({ parts: { discover } });
  await d.publish.refresh();
  await d.publish.refresh();
  const fault = d.device.faults.get(4);
  assert.deepEqual([fault?.code, fault?.message], ['ERR_INTERNAL', 'TypeError: a bug']);
  assert.deepEqual(
    d.logger.lines.map(({ level, message }) => [level, message]),
    [
      ['warn', 'no reflexive address'],
      ['debug', 'no reflexive address'],
    ],
  );
  assert.equal(d.events.length, 1);
  assert.equal(d.memory.records.size, 0);
});

test('a discovery that the daemon’s end broke off is no fault', async () => {
  const d = publisher();
  Object.assign(d.outside, {
    async discover() {
      d.stopping.abort(new StunmeshError('ERR_CLOSED', 'stopping'));
      throw d.stopping.signal.reason;
    },
  });
  await d.publish.refresh();
  assert.deepEqual([d.device.faults.size, d.logger.lines, d.events], [0, [], []]);
});

test('a device that is missing is not discovered for', async () => {
  const d = publisher({ present: false });
  Object.assign(d.outside, { discover: () => assert.fail('discovered') });
  await d.publish.refresh();
  assert.equal(d.device.discoveries, 0);
  assert.equal(d.publish.nextFlushAt(), Number.POSITIVE_INFINITY);
});

test('what follows a discovery may fail: that is told, and the record is left all the same', async () => {
  const error = new Error('the examination broke');
  const d = publisher({}, { discovered: () => Promise.reject(error) });
  await d.publish.refresh();
  assert.deepEqual(
    d.logger.lines.filter(({ level }) => level === 'error'),
    [{ level: 'error', fields: { device: 'wg0', error }, message: 'publishing failed' }],
  );
  assert.equal(d.memory.records.has(d.key), true);
  d.logger.lines.length = 0;
  d.stopping.abort();
  await d.publish.refresh();
  assert.deepEqual(d.logger.lines, []);
});

test('F7 a masquerade of this host, which changes the probe alone, is told, and the port of WireGuard is published', async () => {
  const mapped = createEndpoint(Uint8Array.of(203, 0, 113, 9), 1_024);
  const found = { endpoint: OWN, mapped, server: 'stun.test:3478', rttMs: 20, natted: false };
  const d = publisher({ parts: { discover: async () => found } });
  await d.publish.refresh();
  assert.deepEqual(d.logger.lines.at(-1), {
    level: 'info',
    fields: { device: 'wg0', endpoint: '203.0.113.9:40000', probe: '203.0.113.9:1024' },
    message: "no NAT in front: this host's own masquerade rewrites the probe, not WireGuard",
  });
  assert.deepEqual(d.peer.published.get('main')?.ipv4, OWN);
});

test('F11 a device with IPv6 alone leaves a record with IPv6 alone, and is found by it after a restart', async () => {
  const own6 = createEndpoint(
    Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x20 : i)),
    40_006,
  );
  const found = { endpoint: own6, mapped: own6, server: 'stun.test:3478', rttMs: 20, natted: false };
  const options: DoubleOptions = { protocol: 'ipv6', parts: { discover: async () => found } };
  const d = publisher(options);
  await d.publish.refresh();
  const { ipv4, ipv6 } = d.peer.published.get('main') ?? {};
  assert.deepEqual([ipv4, ipv6], [undefined, own6]);
  const again = publisher(options);
  for (const [key, value] of d.memory.records) again.memory.records.set(key, value);
  await again.publish.refresh();
  assert.deepEqual(again.peer.published.get('main')?.ipv6, own6);
  assert.equal(again.events.filter(({ event }) => event === 'published').length, 0);
});

test('F13 a store that fails for a reason of its own is tried again ever later, up to a minute, and told once', async () => {
  const d = publisher();
  d.storeMap.set('main', failing(new RangeError('odd')));
  const gaps: number[] = [];
  await d.publish.refresh();
  for (let n = 0; n < 8; n += 1) {
    const at = d.publish.nextFlushAt();
    gaps.push((at - d.clock.now()) / 1_000);
    await d.clock.advance(at - d.clock.now());
    await d.publish.flush();
  }
  assert.deepEqual(gaps, [1, 2, 4, 8, 16, 32, 60, 60]);
  assert.deepEqual([peerFault(d.peer)?.code, peerFault(d.peer)?.message], ['ERR_INTERNAL', 'RangeError: odd']);
  const told = d.logger.lines.filter(({ message }) => message === 'cannot publish to store "main"; trying again');
  assert.deepEqual(
    told.map(({ level }) => level),
    ['warn', ...new Array<string>(8).fill('debug')],
  );
  assert.equal(d.events.filter(({ event }) => event === 'fault').length, 1);
});

test('a write that the daemon’s end broke off is no fault of the store', async () => {
  const d = publisher();
  const set = async () => {
    d.stopping.abort(new StunmeshError('ERR_CLOSED', 'stopping'));
    throw new StunmeshError('ERR_CLOSED', 'stopping');
  };
  d.storeMap.set('main', { ...failing(new Error()), get: async () => undefined, set });
  await d.publish.refresh();
  assert.equal(peerFault(d.peer), undefined);
  assert.equal(d.peer.publishRetry.size, 0);
  assert.equal(d.peer.publishing.size, 0);
});

test('F11 a store that a reload replaced during the write has not got the record', async () => {
  const d = publisher();
  const other = { ...failing(new Error()), get: async () => undefined, set: async () => undefined };
  const set = async () => void d.storeMap.set('main', other);
  d.storeMap.set('main', { ...other, set });
  await d.publish.refresh();
  assert.equal(d.peer.published.has('main'), false);
  assert.equal(d.publish.nextFlushAt(), 0);
  await d.publish.flush();
  assert.equal(d.peer.published.has('main'), true);
});

test('a store that a reload took away is not written to', async () => {
  const d = publisher();
  d.storeMap.clear();
  await d.publish.refresh();
  assert.deepEqual([d.memory.records.size, peerFault(d.peer)], [0, undefined]);
});

test('our record from a life before is gone on from, and one that does not say that it is ours is written anew', async () => {
  const wallS = Math.floor(Date.UTC(2027, 0, 1) / 1000);
  for (const [stored, wanted] of [
    [
      { t: wallS - 60, n: 7 },
      { t: wallS - 60, n: 7, writes: 0 },
    ],
    [{}, { t: wallS, n: 1, writes: 1 }],
  ] as const) {
    const d = publisher();
    assert.ok(d.peer.channel);
    const endpoints = { ipv4: '203.0.113.9:40000', ipv6: '' };
    const before =
      't' in stored ? codedPlain(endpoints, { ...stored, f: fingerprint(d.own.publicKey) }) : JSON.stringify(endpoints);
    d.memory.records.set(d.key, d.peer.channel.seal(before));
    await d.publish.refresh();
    const writes = d.events.filter(({ event }) => event === 'published').length;
    assert.deepEqual({ t: d.peer.published.get('main')?.t, n: d.ownRecord.generation(d.peer), writes }, wanted);
  }
});

function failing(error: Error): NamedStore {
  const fail = () => Promise.reject(error);
  return { name: 'main', traits: TRAITS, get: fail, set: fail, close: async () => undefined } as unknown as NamedStore;
}
