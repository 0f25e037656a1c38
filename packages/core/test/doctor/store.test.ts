/** What is wrong with a store: refused, read-only, late, slow, small, nearly used up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import type { Snapshot } from '#src/control/snapshot.js';
import { testCases } from './cases.js';
import { createHarness, type Harness, NOW, snapshotOf } from './harness.js';

/** A daemon that tells this of the store. */
function storeSeen(harness: Harness, store: Omit<Snapshot['stores'][number], 'name'>): void {
  harness.daemons.set('/run/stunmesh/wg0.sock', { ...snapshotOf(harness, 1), stores: [{ name: 'main', ...store }] });
}

const DENIED = new StunmeshError('ERR_STORE_DENIED', 'the token is not accepted');
const TRY_LATER = new StunmeshError('ERR_STORE_UNAVAILABLE', 'overloaded', { retryAfterMs: 30_000 });

test('F33 a plugin that cannot tell absent from failed is well when it gives back what was written', async (t) => {
  const harness = createHarness(t);
  const { get } = harness.store;
  harness.store.get = async (...call) => {
    const value = await get(...call);
    if (value === undefined) throw new StunmeshError('ERR_EXEC_FAILED', 'exit code 1');
    return value;
  };
  const store = (await harness.examine()).find(({ check }) => check === 'store');
  assert.deepEqual([store?.verdict, /and read back$/.test(store?.text ?? '')], ['ok', true]);
});

test('what a store says of itself, and said to the daemon, is a note', async (t) => {
  const harness = createHarness(t);
  harness.store.note = () => '9 nodes answered, 8 with the record, in 0.5 s';
  storeSeen(harness, { gets: 3, sets: 1, failures: 0, state: 'up', note: '8 nodes took the record' });
  const texts = (await harness.examine()).flatMap(({ check, verdict, text }) =>
    check === 'store' && verdict === 'note' ? [text] : [],
  );
  assert.ok(texts.includes('9 nodes answered, 8 with the record, in 0.5 s'), texts.join('\n'));
  assert.ok(texts.some((text) => /^the daemon made 4 calls in .*: 8 nodes took the record$/.test(text)));
});

testCases([
  {
    what: 'F33 a store that refuses us',
    change: (p) => {
      p.store.failure = DENIED;
    },
    named: ['store', 'fault', /^it cannot be read: the token is not accepted$/],
    remedy: /check token, password or file mode/,
    code: 'ERR_STORE_DENIED',
  },
  {
    what: 'a store that asks for patience',
    change: (p) => {
      p.store.failure = TRY_LATER;
    },
    named: ['store', 'fault', /overloaded \(try again in 30 s\)/],
    remedy: /address and network/,
  },
  {
    what: 'a store that can be read only',
    change: (p) => {
      p.store.set = () => Promise.reject(DENIED);
    },
    named: ['store', 'fault', /it can be read and not written \(read-only\)/],
    remedy: /what they are allowed to do/,
    code: 'ERR_STORE_DENIED',
  },
  {
    what: 'F74 records that the folder’s owner cannot read',
    change: (p) => {
      p.store.examine = async () => [
        { text: '3 of 4 records cannot be read by user 33', remedy: 'write `mode: "0644"`.' },
      ];
    },
    named: ['store', 'warning', /3 of 4 records cannot be read by user 33/],
    remedy: /mode: "0644"/,
  },
  {
    what: 'a store that shows changes late',
    change: (p) => {
      p.store.set = async () => {};
    },
    named: ['store', 'warning', /what was written is not read back yet$/],
    remedy: /both sides use the same one/,
  },
  {
    what: 'a slow store',
    change: (p) => {
      const { get } = p.store;
      p.store.get = async (...call) => {
        await p.clock.sleep(3_500);
        return get(...call);
      };
    },
    named: ['store', 'warning', /read in 3500 ms.*: slow/],
    remedy: /network/,
  },
  {
    what: 'F36 a store for short values',
    change: (p) => {
      p.traits = { maxValueBytes: 255, minPollMs: 500, expiresAfterMs: 600_000 };
    },
    named: ['store', 'note', /up to 255 characters.*forgets after 10 min; .*members are left out/],
  },
  {
    what: 'a store that the daemon gave up for a while',
    change: (p) => {
      const lastError = { code: 'ERR_STORE_UNAVAILABLE', message: 'refused', at: NOW };
      storeSeen(p, { gets: 9, sets: 1, failures: 5, state: 'down', lastError });
    },
    named: ['store', 'warning', /^the daemon gave it up for a while: refused$/],
    remedy: /address and network/,
  },
  {
    what: 'F73 a store that a daemon cannot write to, though doctor can,',
    change: (p) => {
      const fault = { code: 'ERR_STORE_DENIED', message: 'the store "main": read-only', at: NOW, store: 'main' };
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 7, { lastError: fault, writeFault: fault }));
    },
    named: ['store', 'fault', /^the daemon \(process 7\) cannot write, though I can: the store "main": read-only$/],
    remedy: /ReadWritePaths/,
    code: 'ERR_STORE_DENIED',
  },
  {
    what: 'how much a daemon calls a store',
    change: (p) => storeSeen(p, { gets: 9, sets: 1, failures: 5, state: 'up' }),
    named: ['store', 'note', /^the daemon made 10 calls in 60 min, 5 failed$/],
  },
  {
    what: 'F36 a quota that is nearly used up',
    change: (p) => {
      p.config = p.config.replace('name: file, path: /srv/records', 'name: cloudflare, zone: example.com, token: x');
      storeSeen(p, { gets: 12_000, sets: 0, failures: 0, state: 'up' });
    },
    named: ['store', 'warning', /12000 calls in 60 min: 83 % of the 1,200 in 5 minutes/],
    remedy: /refresh_interval/,
  },
]);
