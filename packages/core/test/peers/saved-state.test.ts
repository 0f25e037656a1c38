/** What is kept across restarts: what does not fit is passed over, what cannot be read or written costs one line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { createDeviceEntry } from '#src/peers/peer-table.js';
import { createDeviceState, createStateKeeper, restoreDeviceState, type StateFiles } from '#src/peers/saved-state.js';
import { createMemoryLogger } from '#src/testing/index.js';
import { keyPair } from '../controllers/far-side.js';
import { createHarness } from '../controllers/harness.js';

function device() {
  const h = createHarness();
  return createDeviceEntry(h.device.config, 0);
}
const WALL = Date.UTC(2027, 0, 1);
const key = keyPair('peer 0').publicKey;

test('a state of another kind is refused whole', () => {
  for (const value of [undefined, null, 3, 'state', [], {}, { version: 2, n: 7 }])
    assert.equal(restoreDeviceState(device(), value, WALL), false, JSON.stringify(value));
});

test('members that do not fit are passed over one by one', () => {
  const entry = device();
  const peers = { [key]: { floor: -1, echo: 'yes', proven: 'nowhere' }, other: 3 };
  assert.equal(restoreDeviceState(entry, { version: 1, t: '5', n: 1.5, peers }, WALL), true);
  assert.deepEqual([entry.lastT, entry.generation], [undefined, 0]);
  assert.deepEqual(
    [entry.peers[0]?.provenTime, entry.peers[0]?.answersEcho, entry.peers[0]?.restored],
    [undefined, false, undefined],
  );
  assert.equal(restoreDeviceState(entry, { version: 1, t: 5, n: 2, peers: [] }, WALL), true);
  assert.deepEqual([entry.lastT, entry.generation], [5, 2]);
  assert.equal(restoreDeviceState(entry, { version: 1, n: 2, peers: { [key]: 'x' } }, WALL), true);
  const good = { [key]: { floor: 9, echo: true, proven: '192.0.2.1:5' } };
  assert.equal(restoreDeviceState(entry, { version: 1, n: 2, peers: good }, WALL), true);
  const [peer] = entry.peers;
  assert.deepEqual(
    [peer?.provenTime, peer?.answersEcho, peer?.restored && formatEndpoint(peer.restored)],
    [9, true, '192.0.2.1:5'],
  );
});

function keeper(files: Partial<StateFiles>) {
  const logger = createMemoryLogger();
  const written: unknown[] = [];
  const all: StateFiles = {
    read: async () => undefined,
    write: async (_path, value) => void written.push(value),
    ...files,
  };
  return { logger, written, keeper: createStateKeeper(all, '/state', { logger, wallNow: () => WALL }) };
}

test('a file that cannot be read, and one of another kind, cost a line each', async () => {
  const broken = keeper({ read: () => Promise.reject(new StunmeshError('ERR_STATE', 'no permission')) });
  await broken.keeper.restore(device());
  assert.match(broken.logger.text(), /state not restored/);
  const foreign = keeper({ read: async () => ({ version: 9 }) });
  await foreign.keeper.restore(device());
  assert.match(foreign.logger.text(), /another kind/);
  const absent = keeper({});
  await absent.keeper.restore(device());
  assert.equal(absent.logger.lines.length, 0);
});

test('writes that fail are named once, until one went well', async () => {
  let full = true;
  const {
    keeper: states,
    logger,
    written,
  } = keeper({
    write: async (_path, value) => {
      if (full) throw new StunmeshError('ERR_STATE', 'disk full');
      written.push(value);
    },
  });
  const entry = device();
  const complaints = () => logger.lines.filter(({ message }) => message === 'state not kept').length;
  for (let i = 0; i < 3; i += 1) await states.flush(entry);
  assert.equal(complaints(), 1);
  full = false;
  states.save(entry);
  await states.flush(entry);
  assert.ok(written.length >= 1);
  full = true;
  await states.flush(entry);
  assert.equal(complaints(), 2);
});

test('what is kept of each peer is what is known of it, and a peer of whom nothing is known takes no room', () => {
  const entry = device();
  const [peer] = entry.peers;
  assert.ok(peer);
  assert.deepEqual(createDeviceState(entry), { version: 1, n: 0, peers: {} });
  entry.lastT = 5;
  for (const known of [{ provenTime: 0 }, { proven: parseEndpoint('192.0.2.1:5') }, { answersEcho: true }]) {
    Object.assign(peer, { provenTime: undefined, proven: undefined, answersEcho: false }, known);
    const again = device();
    assert.equal(restoreDeviceState(again, JSON.parse(JSON.stringify(createDeviceState(entry))), WALL), true);
    const { provenTime, restored: proven, answersEcho } = again.peers[0] ?? {};
    assert.deepEqual(
      { provenTime, proven, answersEcho, t: again.lastT },
      { provenTime: undefined, proven: undefined, answersEcho: false, ...known, t: 5 },
    );
  }
});

test('how a NAT chooses ports outlives a restart; what is no such thing is passed over', () => {
  const nat = (allocation: unknown) => {
    const entry = device();
    const stored = { ipv4: { address: '203.0.113.9', code: '4pp', allocation } };
    assert.equal(restoreDeviceState(entry, { version: 1, n: 0, nat: stored, peers: {} }, WALL), true);
    return { summary: entry.nat.get(4)?.summary, again: createDeviceState(entry).nat?.['ipv4'] };
  };
  for (const allocation of ['random', { delta: 2 }, { block: 512 }]) {
    const { summary, again } = nat(allocation);
    assert.deepEqual([summary?.allocation, again?.allocation], [allocation, allocation]);
  }
  for (const allocation of [undefined, 7, 'often', { delta: 9 }, { block: 512, delta: 2 }])
    assert.equal(nat(allocation).summary?.allocation, undefined);
});
