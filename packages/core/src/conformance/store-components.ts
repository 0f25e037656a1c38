/** What every store makes of the components that only some need: secrets of pairs and UDP sockets past a tunnel. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { type DatagramPort, type Logger, type OpenDatagrams, type Store, StunmeshError } from '../api/index.js';
import type { ConformanceCase } from './case.js';
import { expectAbsent, expectValue, free, randomHex, soon } from './store-checks.js';
import type { GivenComponents, StoreHarness } from './store-harness.js';

/** Where a stranger's datagrams come from. */
const STRANGER = { family: 4, address: '192.0.2.1', port: 6881 } as const;
/** How often a store may fail after it has lost its socket. */
const TRIES = 3;

/** The cases; none where the harness hands nothing in. `newKey`: of a record that is written. */
export function componentCases(harness: StoreHarness, newKey: () => string): ConformanceCase[] {
  const { openWith, absentCode, traits, hidesRecords = false, datagrams, patienceMs = 5000 } = harness;
  if (!openWith) return [];
  const inTurn = async (given: GivenComponents, run: (store: Store) => Promise<void>): Promise<void> => {
    const store = await openWith(given);
    try {
      await run(store);
    } finally {
      await store[Symbol.asyncDispose]();
    }
  };
  const one = (name: string, run: () => Promise<void>): ConformanceCase => ({
    name,
    run: () => run().then(() => undefined),
  });

  const secrets = [
    one('two hosts with the secret of a pair read what the other one wrote', async () => {
      const [key, value, secret] = [newKey(), randomHex(200), newSecret()];
      await inTurn({ secretFor: () => secret.slice() }, (store) => store.set(key, value, free));
      await inTurn({ secretFor: () => secret.slice() }, (store) => expectValue(store, key, value));
    }),

    one(
      hidesRecords
        ? 'a record that was written with a secret is absent for who has another one, or none'
        : 'a store that hides nothing reads the same whatever the secret',
      async () => {
        const [key, value] = [newKey(), randomHex(200)];
        const expect = async (store: Store): Promise<void> => {
          if (hidesRecords) await expectAbsent(store, key, absentCode);
          else await expectValue(store, key, value);
        };
        await inTurn({ secretFor: newSecret }, (store) => store.set(key, value, free));
        await inTurn({ secretFor: newSecret }, expect);
        await inTurn({}, expect);
      },
    ),

    one('a key that has no secret is served as where there are no secrets at all', async () => {
      const [key, value] = [newKey(), randomHex(200)];
      await inTurn({ secretFor: () => undefined }, (store) => store.set(key, value, free));
      await inTurn({}, (store) => expectValue(store, key, value));
    }),

    one('no secret in an error, a remark, a note or the log (F34)', async () => {
      const secret = newSecret();
      const said: unknown[] = [];
      const given = { secretFor: () => secret.slice(), logger: collect(said) };
      const calls = async (store: Store, key: string): Promise<void> => {
        const note = async (call: Promise<unknown>) => said.push(await call.catch((error: unknown) => error));
        await note(store.set(key, randomHex(136), free));
        await note(store.get(key, free));
        await note(store.set(key, randomHex(traits.maxValueBytes + 2), free));
        await note(store.get(key, { signal: AbortSignal.abort(new Error('given up')) }));
        if (store.examine) await note(store.examine(free));
        said.push(store.note?.());
        await store[Symbol.asyncDispose]();
        await note(store.get(key, free));
      };
      await inTurn(given, (store) => calls(store, newKey()));
      const unreachable = await harness.openUnreachable?.(given);
      if (unreachable) await calls(unreachable, newKey());
      const text = inspect(said, { depth: 8, maxArrayLength: null }).replaceAll(/\s+/g, '');
      assert.ok(!formsOf(secret).some((form) => text.includes(form)), 'a secret of a pair was shown');
    }),
  ];

  if (!datagrams)
    return [
      ...secrets,
      one('a store without UDP opens no UDP socket', async () => {
        const openDatagrams = () => Promise.reject(new assert.AssertionError({ message: 'a UDP socket was opened' }));
        const [key, value] = [newKey(), randomHex(136)];
        await inTurn({ openDatagrams }, async (store) => {
          await store.set(key, value, free);
          await expectValue(store, key, value);
        });
      }),
    ];

  return [
    ...secrets,
    one("UDP goes by the host's sockets, and they are closed with the store", async () => {
      const sockets = counting(datagrams);
      const [key, value] = [newKey(), randomHex(136)];
      await inTurn(sockets, async (store) => {
        await store.set(key, value, free);
        assert.ok(sockets.opened() > 0, "the store did not use the host's sockets");
        sockets.deliver(randomBytes(64));
        await expectValue(store, key, value);
      });
      assert.equal(sockets.open.size, 0, 'sockets are open after the store was closed');
    }),

    one('where the host has no socket calls fail, until it has one', async () => {
      const sockets = counting(datagrams);
      const [key, value] = [newKey(), randomHex(136)];
      let failing = true;
      const openDatagrams: OpenDatagrams = async (options) => {
        if (failing) throw new StunmeshError('ERR_CAPTURE_OPEN', 'no socket now');
        return await sockets.openDatagrams(options);
      };
      await inTurn({ openDatagrams }, async (store) => {
        await assert.rejects(soon(store.set(key, value, free), 'set without a socket', patienceMs));
        failing = false;
        await persist(() => store.set(key, value, free));
        await expectValue(store, key, value);
      });
      assert.equal(sockets.open.size, 0, 'sockets are open after the store was closed');
    }),

    one('a socket that was lost is opened anew', async () => {
      const sockets = counting(datagrams);
      const [key, value] = [newKey(), randomHex(136)];
      await inTurn(sockets, async (store) => {
        await store.set(key, value, free);
        const before = sockets.opened();
        for (const { onFault } of sockets.open) onFault(new StunmeshError('ERR_CAPTURE_LOST', 'the socket is gone'));
        await persist(() => expectValue(store, key, value));
        assert.ok(sockets.opened() > before, 'the lost socket is still in use');
      });
    }),
  ];
}

function newSecret(): Uint8Array {
  return Uint8Array.from(randomBytes(32));
}

/** As a person, a Buffer or an array would write it, without white space. */
function formsOf(secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const texts = [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')];
  return [hex, hex.toUpperCase(), ...texts, secret.join(',')];
}

function collect(said: unknown[]): Logger {
  const line = (...parts: unknown[]): void => void said.push(parts);
  const logger: Logger = { trace: line, debug: line, info: line, warn: line, error: line, child: () => logger };
  return logger;
}

/** Sockets that know who listens to them, and which of them are open. */
function counting(openDatagrams: OpenDatagrams) {
  type Socket = Pick<Parameters<OpenDatagrams>[0], 'onMessage' | 'onFault'>;
  const open = new Set<Socket>();
  let opened = 0;
  return {
    open: open as ReadonlySet<Socket>,
    opened: () => opened,
    /** A stranger's datagram on all of them. */
    deliver(message: Uint8Array): void {
      for (const { onMessage } of open) onMessage(message, STRANGER);
    },
    openDatagrams: async (options: Parameters<OpenDatagrams>[0]): Promise<DatagramPort> => {
      const socket = await openDatagrams(options);
      opened += 1;
      open.add(options);
      return {
        send: (message, to) => socket.send(message, to),
        async [Symbol.asyncDispose]() {
          open.delete(options);
          await socket[Symbol.asyncDispose]();
        },
      };
    },
  };
}

async function persist(call: () => Promise<void>): Promise<void> {
  for (let tries = TRIES - 1; tries > 0; tries -= 1) {
    const done = await call().then(
      () => true,
      () => false,
    );
    if (done) return;
  }
  await call();
}
