/** The cases about secrets and UDP sockets: a store in memory that uses both passes, and each kind of broken one fails its case. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatagramPort, OpenDatagrams, Store } from '#src/api/index.js';
import { type GivenComponents, type StoreHarness, storeCases } from '#src/conformance/index.js';
import { createMemoryStore } from '#src/testing/memory-store.js';

const traits = { maxValueBytes: 1_000, minPollMs: 500 };
const datagrams: OpenDatagrams = async (): Promise<DatagramPort> => ({
  send: async () => {},
  [Symbol.asyncDispose]: async () => {},
});

type Backend = Required<Parameters<typeof createMemoryStore>> extends [infer R, infer W, unknown] ? [R, W] : never;

/** A harness of stores over records of its own; `make` may use what is given, or break it. */
function harnessOf(
  make: (given: GivenComponents, backend: Backend) => Store,
  more: Partial<StoreHarness> = {},
): StoreHarness {
  const backend: Backend = [new Map(), new Set()];
  const openWith = async (given: GivenComponents) => make(given, backend);
  return { open: () => openWith({}), openWith, traits, ...more };
}

const using = { hidesRecords: true, datagrams };
const honest = (given: GivenComponents, backend: Backend) => createMemoryStore(...backend, given);

for (const { name, run } of storeCases(harnessOf(honest, using)))
  test(`memory store with secrets and datagrams: ${name}`, async () => void (await run()));

/** Names of the cases that fail. */
async function failing(harness: StoreHarness): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of storeCases(harness)) await run().catch(() => failed.push(name));
  return failed;
}

test('F34 a store that shows a secret fails: in an error, in a note, in the log, in whatever form', async () => {
  const NAME = 'no secret in an error, a remark, a note or the log (F34)';
  const show: readonly ((secret: Uint8Array) => unknown)[] = [
    (secret) => Buffer.from(secret).toString('hex'),
    (secret) => Buffer.from(secret),
    (secret) => Buffer.from(secret).toString('base64'),
    (secret) => secret,
  ];
  for (const form of show) {
    const noting = harnessOf(({ secretFor }, backend) => {
      const store = honest({}, backend);
      return Object.assign(store, { note: () => `${form(secretFor?.('') ?? new Uint8Array())}` });
    });
    const failed = await failing(noting);
    // A Buffer in a template is text of its bytes.
    if (typeof form(new Uint8Array()) === 'string') assert.deepEqual(failed, [NAME]);
    const logging = harnessOf(({ secretFor, logger }, backend) => {
      logger?.debug({ secret: form(secretFor?.('') ?? new Uint8Array()) }, 'opened');
      return honest({}, backend);
    });
    assert.deepEqual(await failing(logging), [NAME]);
    const throwing = harnessOf(({ secretFor }, backend) => ({
      ...honest({}, backend),
      async get(key, { signal }) {
        if (!signal.aborted) return backend[0].get(key);
        throw Object.assign(new Error('given up'), { details: { secret: form(secretFor?.('') ?? new Uint8Array()) } });
      },
    }));
    assert.ok((await failing(throwing)).includes(NAME));
  }
});

test('a store that says it hides and does not, and one that does and does not say so, fail', async () => {
  assert.deepEqual(await failing(harnessOf((_given, backend) => honest({}, backend), { hidesRecords: true })), [
    'a record that was written with a secret is absent for who has another one, or none',
  ]);
  assert.deepEqual(
    await failing(harnessOf(({ secretFor }, backend) => honest(secretFor ? { secretFor } : {}, backend))),
    ['a store that hides nothing reads the same whatever the secret'],
  );
});

test('sockets that nobody needs, that stay open, that go round the host or are used though lost: each fails', async () => {
  assert.deepEqual(await failing(harnessOf(honest, { hidesRecords: true })), [
    'a store without UDP opens no UDP socket',
  ]);
  const leaving = harnessOf((given, backend) => {
    const open = given.openDatagrams;
    const kept: OpenDatagrams | undefined =
      open && (async (options) => ({ ...(await open(options)), [Symbol.asyncDispose]: async () => {} }));
    return honest({ ...given, ...(kept ? { openDatagrams: kept } : {}) }, backend);
  }, using);
  assert.ok((await failing(leaving)).includes("UDP goes by the host's sockets, and they are closed with the store"));
  const round = harnessOf(({ secretFor }, backend) => honest(secretFor ? { secretFor } : {}, backend), using);
  assert.deepEqual(await failing(round), [
    "UDP goes by the host's sockets, and they are closed with the store",
    'where the host has no socket calls fail, until it has one',
    'a socket that was lost is opened anew',
  ]);
});
