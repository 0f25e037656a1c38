import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { createSockets } from '#src/sockets.js';
import { clock } from './lab/store.js';

test('sockets are closed all at once, and one that is asked for too late is closed at once', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  const options = { host: '127.0.0.1', port: address.port };
  const sockets = createSockets({ clock, place: 'here' });
  const ask = () => new sockets.Connector(options).connect(() => {});
  const found = await Promise.all([ask(), ask(), ask()]);
  assert.equal(sockets.open, 3);
  const closed = found.map((socket) => once(socket, 'close'));
  sockets[Symbol.dispose]();
  await Promise.all(closed);
  assert.equal(sockets.open, 0);
  assert.ok((await ask()).destroyed);
});
