/** Faults of a peer: reading and writing a store have one each, and which of them is told first (F73). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { peerFault, readFault, writeFault } from '#src/peers/faults.js';
import { createComponents } from '../controllers/doubles.js';

const error = (code: 'ERR_STORE_UNAVAILABLE' | 'ERR_RECORD_MALFORMED', text: string) => new StunmeshError(code, text);

test('F73 a good reading takes back no fault of writing, and the fault of writing is told first', () => {
  const { c, peer } = createComponents();
  c.faults.noteStore(peer, 'write', 'main', error('ERR_STORE_UNAVAILABLE', 'read-only'), 'cannot publish');
  c.faults.noteStore(peer, 'read', 'main', error('ERR_RECORD_MALFORMED', 'odd'), 'cannot use');
  assert.deepEqual([writeFault(peer)?.message, readFault(peer)?.message], ['read-only', 'odd']);
  assert.equal(peerFault(peer)?.message, 'read-only');
  c.faults.settleStore(peer, 'read', 'main');
  assert.deepEqual([writeFault(peer)?.message, readFault(peer)], ['read-only', undefined]);
  c.faults.settleStore(peer, 'write', 'main');
  assert.equal(peerFault(peer), undefined);
});

test('F73 each failure is told once, by store and by use, until it went well', () => {
  const { c, peer, logger, events } = createComponents();
  const fail = (use: 'read' | 'write', store: string) =>
    c.faults.noteStore(peer, use, store, error('ERR_STORE_UNAVAILABLE', 'no'), `${use} ${store}`);
  for (let i = 0; i < 3; i += 1)
    for (const store of ['a', 'b']) for (const use of ['read', 'write'] as const) fail(use, store);
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 4);
  assert.equal(events.length, 4);
  c.faults.settleStore(peer, 'read', 'a');
  fail('read', 'a');
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 5);
});

test('F73 of several stores the failure that came last is told; what fails once all ends is no fault', () => {
  const { c, peer, clock, stopping } = createComponents();
  c.faults.noteStore(peer, 'read', 'a', error('ERR_STORE_UNAVAILABLE', 'first'), 'x');
  void clock.advance(1_000);
  c.faults.noteStore(peer, 'read', 'b', error('ERR_STORE_UNAVAILABLE', 'second'), 'x');
  assert.deepEqual([peerFault(peer)?.message, peerFault(peer)?.store], ['second', 'b']);
  stopping.abort();
  c.faults.note(peer, new TypeError('late'), 'x');
  assert.equal(peer.fault, undefined);
});
