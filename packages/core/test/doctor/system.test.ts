/** What doctor reads of the real system: rights, programs, sockets, and the date of a web server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, realpath, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSystem } from '#src/doctor/system.js';
import { createFakeClock } from '#src/testing/index.js';
import { temporaryFolder } from '../config/fixtures.js';

const LINUX = process.platform === 'linux';

test('a program is found in PATH when it may be executed', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'a'));
  await mkdir(join(folder, 'b'));
  await writeFile(join(folder, 'a', 'wg'), '');
  await chmod(join(folder, 'a', 'wg'), 0o644);
  await writeFile(join(folder, 'b', 'wg'), '');
  await chmod(join(folder, 'b', 'wg'), 0o755);
  const system = createSystem({ PATH: `${folder}/none:${folder}/a:${folder}/b` });
  assert.equal(await system.program('wg'), join(folder, 'b', 'wg'));
  assert.equal(await system.program('wgx'), undefined);
  assert.equal(await createSystem({}).program('wg'), undefined);
});

test('the effective capabilities are those of the kernel', { skip: LINUX ? false : 'needs Linux' }, async () => {
  const held = await createSystem({}).capabilities();
  assert.ok(held);
  if (process.geteuid?.() !== 0) assert.ok(!held.has('CAP_NET_ADMIN'));
});

test('a listening unix socket of this network namespace is seen', {
  skip: LINUX ? false : 'needs Linux',
}, async (t) => {
  const path = join(await realpath(await temporaryFolder(t)), 'wg0.sock');
  const server = createServer().listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  assert.ok((await createSystem({}).unixSockets()).includes(path));
});

test('the date of a web server, and of one that tells none', async (t) => {
  const server = createHttpServer((request, response) => {
    if (request.url === '/none') response.sendDate = false;
    else response.setHeader('date', 'Fri, 20 Nov 2026 01:00:00 GMT');
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const clock = createFakeClock();
  const { signal } = new AbortController();
  const system = createSystem({});
  assert.equal(await system.httpDate(`${base}/v4`, clock, signal), Date.UTC(2026, 10, 20, 1));
  assert.equal(await system.httpDate(`${base}/none`, clock, signal), undefined);
  await assert.rejects(system.httpDate('http://127.0.0.1:1/', clock, signal));
  assert.equal(clock.pending, 0, 'no time limit is left');
});
