/** Records that acknowledge the peer's: what checks are told of each write, and what a rewrite keeps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NamedStore } from '#src/controllers/device-components.js';
import { createOwnRecord } from '#src/controllers/publish/own-record.js';
import { type CheckExchange, createWriting } from '#src/controllers/publish/writing.js';
import { createEndpoint } from '#src/net/index.js';
import type { PeerEntry } from '#src/peers/peer-table.js';
import { createPair } from '#src/record/pair.js';
import { openRecord } from '#src/record/reader.js';
import { storeKey } from '#src/record/store-key.js';
import { createMemoryStore, type MemoryStore } from '#src/testing/index.js';
import { createComponents } from '../doubles.js';

const OWN = createEndpoint(Uint8Array.of(203, 0, 113, 9), 40_000);

function createWriter() {
  const memories = new Map<string, MemoryStore>(['main', 'other'].map((name) => [name, createMemoryStore()]));
  const stores = [...memories].map(
    ([name, memory]): NamedStore => ({ ...memory, name, traits: { maxValueBytes: 65_536, minPollMs: 500 } }),
  );
  const d = createComponents({ stores });
  const { channel, keys } = createPair(d.own.secretKey, d.own.publicKey, d.peer.publicKey);
  d.peer.channel = channel;
  d.peer.keys = keys;
  d.device.candidates = [{ type: 'reflexive', endpoint: OWN, foundBy: 'stun.test:3478', at: 0 }];
  const told: string[] = [];
  const state: { ack: number | undefined } = { ack: undefined };
  const exchange: CheckExchange = {
    async beforeWrite(_peer: PeerEntry, store: string) {
      told.push(`before ${store}`);
    },
    acknowledgement: () => state.ack,
    written(_peer, { t, ack }, renewed) {
      told.push(`written ${t - NOW} ${ack} ${renewed ? 'renewed' : 'again'}`);
    },
  };
  const writing = createWriting({ ...d.c, ownRecord: createOwnRecord(d.c), exchange });
  const record = (store: string) =>
    openRecord(memories.get(store)?.records.get(storeKey(d.own.publicKey, d.peer.publicKey)) ?? '', channel).c;
  const flush = async () => {
    for (const name of memories.keys()) await writing.flushStore(name);
    return told.splice(0);
  };
  return { ...d, writing, state, record, flush, memories };
}

const NOW = Date.UTC(2027, 0, 1) / 1000;

test('before a record for an unsettled peer is written its own is read, and each write is told', async () => {
  const w = createWriter();
  assert.deepEqual(await w.flush(), [
    'before main',
    'written 0 undefined renewed',
    'before other',
    'written 0 undefined again',
  ]);
  assert.deepEqual(await w.flush(), [], 'nothing is due');
});

test('F43 a rewrite keeps the time, raises the generation and acknowledges what was read meanwhile, in all stores', async () => {
  const w = createWriter();
  await w.flush();
  const before = w.record('main');
  w.state.ack = 0x1234;
  w.writing.rewrite(w.peer);
  await w.clock.advance(5_000);
  assert.deepEqual(await w.flush(), ['before main', 'written 0 4660 again', 'before other', 'written 0 4660 again']);
  for (const store of ['main', 'other']) {
    const after = w.record(store);
    assert.deepEqual([after?.t, after?.ack], [before?.t, 0x1234]);
    assert.ok((after?.n ?? 0) > (before?.n ?? 0));
  }
  assert.deepEqual(await w.flush(), []);
});

test('a rewrite that a store refuses stays due, and keeps the time', async () => {
  const w = createWriter();
  await w.flush();
  w.state.ack = 7;
  w.writing.rewrite(w.peer);
  const main = w.memories.get('main') ?? assert.fail();
  main.failure = new Error('no room') as never;
  await w.flush();
  main.failure = undefined;
  await w.clock.advance(10_000);
  assert.deepEqual(await w.flush(), ['before main', 'written 0 7 again']);
});

test('a record that a former life left is not acknowledged by anybody: a rewrite has a time of its own', async () => {
  const w = createWriter();
  await w.flush();
  w.peer.statement = undefined;
  w.writing.rewrite(w.peer);
  await w.clock.advance(5_000);
  const [, written] = await w.flush();
  assert.equal(written, 'written 5 undefined renewed');
});

test('no rewrite is told of that did not tell the acknowledgement, for want of room', async () => {
  const w = createWriter();
  w.storeMap.set('main', { ...(w.storeMap.get('main') as NamedStore), traits: { maxValueBytes: 150, minPollMs: 500 } });
  assert.deepEqual((await w.flush()).slice(0, 2), ['before main', 'before other']);
});
