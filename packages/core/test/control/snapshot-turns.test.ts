import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openControlServer } from '#src/control/server.js';
import { createSnapshot, type SnapshotInput, snapshotText } from '#src/control/snapshot.js';
import { createHarness } from '../controllers/harness.js';

function crowdOf(count: number): SnapshotInput {
  const { device } = createHarness();
  const [peer] = device.peers;
  assert.ok(peer);
  const peers = Array.from({ length: count }, (_, n) => ({ ...peer, name: `p${n}` }));
  return { version: '1', startedAt: 1, wallNow: 2, now: 3, device: { ...device, peers }, stores: [] };
}

test('a snapshot in pieces is the whole one, with many peers and with none', () => {
  for (const count of [0, 1, 300]) {
    const input = crowdOf(count);
    assert.equal([...snapshotText(input)].join(''), JSON.stringify(createSnapshot(input)));
  }
});

test('a snapshot of 1,000 peers is made in slices; an event that comes meanwhile follows it, and questions are answered in order', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-control-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'wg0.sock');
  const input = crowdOf(1_000);
  const event = { type: 'event', event: 'test', at: 1, device: 'wg0' } as const;
  let turns = 0;
  const clock = {
    now: () => 0,
    sleep: async () => {
      turns += 1;
      if (turns === 2) server.publish(event);
    },
  };
  const server = await openControlServer(path, { clock, snapshot: () => snapshotText(input) });
  t.after(() => server[Symbol.asyncDispose]());
  const socket = createConnection(path);
  t.after(() => socket.destroy());
  let text = '';
  socket.setEncoding('utf8');
  socket.write('{"op":"events"}\n{"op":"what"}\n');
  for await (const chunk of socket) {
    text += chunk;
    if (text.split('\n').length === 4) break;
  }
  const lines = text.split('\n').slice(0, 3);
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { type: string }).type),
    ['snapshot', 'event', 'error'],
  );
  assert.equal((JSON.parse(lines[0] ?? '') as ReturnType<typeof createSnapshot>).devices[0]?.peers.length, 1_000);
  // A piece a peer, one before and one after them.
  assert.equal(turns, 4);
});
