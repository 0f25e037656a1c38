import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { type Bencoded, decode, dictionary, encode } from '#src/bencode.js';
import { dayOf, deriveSlot, secretOfKey } from '#src/slot.js';
import { badLine, openLiar, openStore } from './lab/network.js';

const free = { signal: new AbortController().signal };
const KEY = 'ab'.repeat(20);
const slotNow = () => deriveSlot(secretOfKey(KEY), dayOf(Date.now()));

function transactionOf(query: Uint8Array): Uint8Array {
  return (decode(query) as ReadonlyMap<string, Bencoded>).get('t') as Uint8Array;
}

function answerTo(query: Uint8Array, members: Readonly<Record<string, Bencoded>>): Uint8Array {
  const r = dictionary({ id: Uint8Array.from(randomBytes(20)), token: 'x', ...members });
  return encode(dictionary({ t: transactionOf(query), y: 'r', r }));
}

/** Compact nodes at one port of loopback, all nearer to the target than any honest one. */
function nodesAt(port: number, count: number, target: string): Uint8Array {
  const one = () =>
    Buffer.concat([
      Buffer.from(target, 'hex').subarray(0, 14),
      randomBytes(6),
      Buffer.from([127, 0, 0, 1, port >> 8, port & 255]),
    ]);
  return Uint8Array.from(Buffer.concat(Array.from({ length: count }, one)));
}

/** What a store makes of one liar that it enters the network by, and how many packets it sent. */
async function readFrom(answer: Parameters<typeof openLiar>[0]): Promise<{ outcome: string; sent: number }> {
  await using liar = await openLiar(answer);
  const line = badLine({ delayMs: () => 0, lost: () => false });
  await using store = await openStore(liar.port, { openDatagrams: line.openDatagrams });
  const outcome = await store.get(KEY, free).then(
    (value) => value ?? 'no record',
    (error: unknown) => (hasCode(error, 'ERR_STORE_UNAVAILABLE') ? 'unavailable' : String(error)),
  );
  return { outcome, sent: line.counter.sent };
}

test('F65 a wrong signature, another slot’s item and a number that is none: unavailable, never a value', async () => {
  const slot = slotNow();
  const item = slot.seal(Uint8Array.of(1), 5);
  const other = deriveSlot(secretOfKey('cd'.repeat(20)), dayOf(Date.now())).seal(Uint8Array.of(1), 5);
  for (const { publicKey, signature, seq, value } of [
    { ...item, value: Uint8Array.of(2) },
    other,
    { ...item, seq: 99 },
  ]) {
    const { outcome } = await readFrom((query) => [answerTo(query, { k: publicKey, sig: signature, seq, v: value })]);
    assert.equal(outcome, 'unavailable');
  }
});

test('F65 an item without nodes does not end the walk, and the true item is taken', async () => {
  const { publicKey, signature, seq, value } = slotNow().seal(Uint8Array.of(7), 5);
  const { outcome, sent } = await readFrom((query) => [
    answerTo(query, { k: publicKey, sig: signature, seq, v: value }),
  ]);
  assert.equal(outcome, '07');
  assert.equal(sent, 2, 'get, and find_node since no nodes came with the item');
});

test('F65 of several seq the highest wins, whoever answers first', async () => {
  const slot = slotNow();
  await using newer = await openLiar((query) => [itemAnswer(query, 9)]);
  const { outcome } = await readFrom((query) => [itemAnswer(query, 5, nodesAt(newer.port, 1, slot.target))]);
  assert.equal(outcome, '09');

  function itemAnswer(query: Uint8Array, seq: number, nodes?: Uint8Array): Uint8Array {
    const item = slot.seal(Uint8Array.of(seq), seq);
    return answerTo(query, { k: item.publicKey, sig: item.signature, seq, v: item.value, ...(nodes ? { nodes } : {}) });
  }
});

test('F66 endless nodes that lead nowhere, and lists of thousands: within the bound of packets', async () => {
  let port = 20_000;
  const endless = await readFrom((query, _from, own) => {
    port += 8;
    return [answerTo(query, { nodes: nodesAt(port % 2 === 0 ? own : port, 8, slotNow().target) })];
  });
  assert.ok(endless.sent <= 30, `${endless.sent} packets`);
  assert.equal(endless.outcome, 'unavailable');
  const huge = await readFrom((query) => [answerTo(query, { nodes: nodesAt(1, 100, slotNow().target) })]);
  assert.ok(huge.sent <= 30, `${huge.sent} packets`);
});

test('F66 garbage, foreign transactions and a thousand answers to one question change nothing', async () => {
  const { outcome, sent } = await readFrom((query) => [
    ...Array.from({ length: 1_000 }, (_, index) => randomBytes(index % 300)),
    encode(dictionary({ t: 'zzzz', y: 'r', r: dictionary({ id: new Uint8Array(20) }) })),
    encode(dictionary({ t: transactionOf(query), y: 'e', e: [201, new Uint8Array(3)] })),
  ]);
  assert.equal(outcome, 'unavailable');
  assert.ok(sent <= 4, `${sent} packets`);
});
