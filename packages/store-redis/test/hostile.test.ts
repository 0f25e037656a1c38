/** F76: a server that answers without end costs one connection: neither memory nor time of the daemon. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { closeAtEnd } from './lab/at-end.js';
import { startServer } from './lab/redis-server.js';
import { clock, failing, free, openStore, randomKey, randomValue, until } from './lab/store.js';

/** So much is sent to whoever goes on reading. */
const FLOOD_BYTES = 200 * 1024 * 1024;
const ENOUGH_BYTES = 32 * 1024 * 1024;

/** A server that greets well and then answers each command with `attack`; what it could send of it. */
async function hostile(
  t: TestContext,
  attack: { readonly first: string; readonly more: string; readonly greets?: boolean },
) {
  const piece = Buffer.from(attack.more.repeat(Math.ceil(65_536 / attack.more.length)));
  const seen = { sent: 0, connections: 0 };
  const flood = (socket: Socket): void => {
    socket.write(attack.first);
    let here = 0;
    const send = (): void => {
      while (here < FLOOD_BYTES && !socket.destroyed) {
        here += piece.length;
        seen.sent += piece.length;
        if (!socket.write(piece)) return void socket.once('drain', send);
      }
      socket.destroy();
    };
    send();
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections += 1;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    if (attack.greets === false) flood(socket);
    socket.on('data', (asked: Buffer) => {
      const words = asked.toString('latin1').toLowerCase();
      if (words.includes('ping')) socket.write('+PONG\r\n');
      if (words.includes('\r\nsubscribe\r\n')) {
        const channel = /\$(\d+)\r\n(x:[^\r]*)/.exec(words)?.[2] ?? '';
        socket.write(`*3\r\n$9\r\nsubscribe\r\n$${channel.length}\r\n${channel}\r\n:1\r\n`);
        flood(socket);
      }
      if (words.includes('mget')) flood(socket);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeAtEnd(t, {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  return { seen, config: { url: `redis://127.0.0.1:${address.port}`, prefix: 'x:' } };
}

const ATTACKS: Readonly<Record<string, Parameters<typeof hostile>[1] & { readonly what: string }>> = {
  'a text of two thousand million bytes': { first: '*1\r\n$2000000000\r\n', more: 'ab', what: 'bytes in one answer' },
  'a list of two thousand million values': { first: '*2000000000\r\n', more: '$2\r\nab\r\n', what: 'a list of' },
  'answers to nothing': { first: '*1\r\n$2\r\nab\r\n', more: '+OK\r\n', what: 'an answer to nothing' },
  'a line without an end': { first: '+', more: 'OK', what: 'a line' },
  'lists in lists': { first: '', more: '*1\r\n', what: 'values in one answer' },
  'another protocol': { first: 'HTTP/1.1 200 OK\r\n\r\n', more: 'ab', what: 'not the protocol of Redis' },
  'a list that is longer than what was asked for': {
    first: '*9\r\n',
    more: '$2\r\nab\r\n',
    what: 'a list of 9 values',
  },
};

for (const [name, { what, ...attack }] of Object.entries(ATTACKS)) {
  test(`F76 ${name}: the connection ends, the call says why, memory stays`, async (t) => {
    const { seen, config } = await hostile(t, attack);
    const { store, logger } = await openStore(t, config);
    const before = process.memoryUsage().rss;
    await assert.rejects(store.get(randomKey(), free), failing('ERR_STORE_INTERNAL', '127.0.0.1', what));
    assert.ok(seen.sent < ENOUGH_BYTES, `${seen.sent} bytes were taken`);
    const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
    assert.ok(grown < 120, `${grown.toFixed(0)} MiB more, the server's own included`);
    assert.ok(seen.connections <= 3, `${seen.connections} connections`);
    assert.ok(logger.lines.length <= 3, logger.text());
  });
}

test('F76 a server that answers before it was asked: the connection ends at once', async (t) => {
  const { seen, config } = await hostile(t, { first: '', more: '+OK\r\n', greets: false });
  const { store } = await openStore(t, config);
  await assert.rejects(store.get(randomKey(), free), failing('ERR_STORE_INTERNAL', 'an answer to nothing'));
  assert.ok(seen.sent < ENOUGH_BYTES, `${seen.sent} bytes were taken`);
});

test('F76 news without end: the watcher hears no more than a few, and a fault; the connection comes back with growing pauses', async (t) => {
  const key = randomKey();
  const channel = `x:${key}@0`;
  const more = `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel}\r\n$2\r\nab\r\n`;
  const { seen, config } = await hostile(t, { first: '', more });
  const { store } = await openStore(t, config);
  let heard = 0;
  const faults: string[] = [];
  const on = {
    change: () => {
      heard += 1;
    },
    fault: (error: Error) => void faults.push(error.message),
  };
  await store.watch?.([key], on, free);
  await until(() => faults.length > 0);
  assert.ok(heard < 2_000, `${heard} changes`);
  assert.match(faults[0] ?? '', /news without end|closed the connection/);
  const began = clock.now();
  await until(() => clock.now() - began > 500);
  assert.ok(seen.connections <= 5, `${seen.connections} connections`);
});

test('F13 and F76 somebody else put a megabyte under one key: its reader gets the beginning, all others their records', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store, logger } = await openStore(t, { url: server.url });
  const [large, small] = [randomKey(), randomKey()];
  await server.command('SET', `stunmesh:${large}`, 'ab'.repeat(512 * 1024));
  const value = randomValue();
  await store.set(small, value, free);
  const found = await store.getMany?.([large, small], free);
  assert.equal(found?.get(small), value);
  assert.equal(String(found?.get(large)).length, 65_537);
  assert.equal(logger.lines.length, 0, logger.text());
});

test('F14 a thousand records in one read, each as long as a record gets, are no flood', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store } = await openStore(t, { url: server.url });
  const records = new Map(Array.from({ length: 1_000 }, () => [randomKey(), 'ab'.repeat(2_000)] as const));
  await store.setMany?.(records, free);
  assert.deepEqual(await store.getMany?.([...records.keys()], free), records);
});
