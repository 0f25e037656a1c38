import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hasCode, type Store } from '@stunmesh/core/api';
import { createFakeClock, createMemoryLogger } from '@stunmesh/core/testing';
import dhtStore from '#src/index.js';
import { badLine, openNetwork, openStore } from './lab/network.js';

const free = { signal: new AbortController().signal };
const key = () => randomBytes(20).toString('hex');
const network = await openNetwork(30);
after(() => network[Symbol.asyncDispose]());

async function using(stores: readonly Store[], run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } finally {
    for (const store of stores) await store[Symbol.asyncDispose]();
  }
}

test('with a secret the slot is the pair’s own: who knows the key alone finds nothing', async () => {
  const secretFor = () => Uint8Array.from({ length: 32 }, () => 9);
  const [mine, yours, stranger] = [
    await network.open({ secretFor }),
    await network.open({ secretFor }),
    await network.open(),
  ];
  await using([mine, yours, stranger], async () => {
    const name = key();
    await mine.set(name, 'aa55', free);
    assert.equal(await yours.get(name, free), 'aa55');
    assert.equal(await stranger.get(name, free), undefined);
    assert.match(yours.note?.() ?? '', /^\d+ nodes answered, \d+ with the record, in \d\.\d s$/);
  });
});

test('F66 a lookup takes at most 30 packets, writing at most 40, and nothing is sent between', async () => {
  const line = badLine({ delayMs: () => 0, lost: () => false });
  const store = await network.open({ openDatagrams: line.openDatagrams });
  await using([store], async () => {
    const name = key();
    assert.equal(await store.get(name, free), undefined);
    const looked = line.counter.sent;
    await store.set(name, '00'.repeat(400), free);
    const written = line.counter.sent - looked;
    await store.get(name, free);
    assert.ok(looked <= 30 && written <= 40 && line.counter.sent - looked - written <= 30, `${looked}, ${written}`);
  });
});

test('60 to 180 ms of delay and 8 % loss: the record is found', async () => {
  let answers = 0;
  const line = () =>
    badLine({ delayMs: () => 60 + ((answers * 53) % 120), lost: () => answers++ % 25 === 7 || answers % 25 === 20 });
  const [writer, reader] = [await network.open(line()), await network.open(line())];
  await using([writer, reader], async () => {
    const name = key();
    await writer.set(name, 'beef', free);
    assert.equal(await reader.get(name, free), 'beef');
  });
});

test('F68 good nodes are remembered in the folder, for the owner alone, and a restart needs no bootstrap', async () => {
  const stateFolder = await mkdtemp(join(tmpdir(), 'dht-'));
  try {
    const first = await network.open({ stateFolder: async () => stateFolder });
    const name = key();
    await first.set(name, '0102', free);
    await first[Symbol.asyncDispose]();
    assert.equal((await stat(join(stateFolder, 'nodes.json'))).mode & 0o777, 0o600);
    assert.ok(JSON.parse(await readFile(join(stateFolder, 'nodes.json'), 'utf8')).nodes.length >= 8);
    const second = await openStore(1, { stateFolder: async () => stateFolder });
    await using([second], async () => assert.equal(await second.get(name, free), '0102'));
  } finally {
    await rm(stateFolder, { recursive: true });
  }
});

test('F64 nobody answers: unavailable and not "no record"; F68 the bootstrap is asked twice', async () => {
  const line = badLine({ delayMs: () => 0, lost: () => true });
  const store = await network.open({ openDatagrams: line.openDatagrams });
  await using([store], async () => {
    await assert.rejects(store.get(key(), free), (error: Error) => {
      assert.ok(hasCode(error, 'ERR_STORE_UNAVAILABLE'));
      assert.match(error.message, /no bootstrap either: let UDP out/);
      return true;
    });
    assert.equal(line.counter.sent, 2);
  });
});

test('a name without an address is told apart from silence', async () => {
  const resolve = async () => Promise.reject(new Error('no such name'));
  const store = await dhtStore.open(
    { bootstrap: ['dht.example.invalid:6881'] },
    { clock: createFakeClock(Date.UTC(2026, 11, 1)), logger: createMemoryLogger(), resolve },
  );
  await using([store], async () => {
    await assert.rejects(store.get(key(), free), /no bootstrap of the DHT has an address: no such name/);
  });
});

test('a clock that was never set makes no call', async () => {
  const openDatagrams = () => assert.fail('no socket');
  const components = { clock: createFakeClock(0), logger: createMemoryLogger(), openDatagrams };
  const store = await dhtStore.open({}, components);
  await using([store], async () => {
    await assert.rejects(store.get(key(), free), /the clock of this host is not set/);
  });
});

test('an unchanged value keeps its seq, a changed one gets a higher one, and half of the nodes may end', async () => {
  const [writer, reader] = [await network.open(), await network.open()];
  await using([writer, reader], async () => {
    const name = key();
    await writer.set(name, 'aa', free);
    await writer.set(name, 'aa', free);
    await writer.set(name, 'bb', free);
    assert.equal(await reader.get(name, free), 'bb');
    await network.end(14);
    assert.equal(await reader.get(name, free), 'bb');
  });
});

test('settings that are no host and port are refused with the form', async () => {
  for (const wrong of ['dht.example.org', 'a b:1', 'x:0', 'x:70000'])
    await assert.rejects(
      dhtStore.open({ bootstrap: [wrong] }, { clock: createFakeClock(), logger: createMemoryLogger() }),
      /is no host and port; write it as "dht\.example\.org:6881"/,
    );
});
