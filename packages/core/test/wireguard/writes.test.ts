import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, hasCode, StunmeshError } from '#src/api/index.js';
import { createFakeClock, createFakeWireGuard, fakePublicKey, settle } from '#src/testing/index.js';
import { createEndpointWriter } from '#src/wireguard/writes.js';

const endpoint = (port: number): Endpoint => ({ family: 4, address: '192.0.2.1', port });
const { signal } = new AbortController();
const PEERS = Array.from({ length: 8 }, (_, i) => fakePublicKey(`peer ${i}`));
const [A = fakePublicKey('a'), B = fakePublicKey('b'), C = fakePublicKey('c')] = PEERS;

function open() {
  const clock = createFakeClock();
  const control = createFakeWireGuard(clock);
  for (const name of ['wg0', 'wg1']) control.addDevice({ name, peers: PEERS.map((publicKey) => ({ publicKey })) });
  const writer = createEndpointWriter({ control, clock });
  const batches = () => control.writes.map(({ device, endpoints }) => [device, endpoints?.size]);
  return { clock, control, writer, batches };
}

const outcome = (promise: Promise<void>) =>
  promise.then(
    () => 'set',
    (error: unknown) => error,
  );

test('F24 the first write goes at once, those within 100 ms after it go together', async () => {
  const { clock, writer, batches, control } = open();
  await writer.set('wg0', A, endpoint(1), signal);
  assert.deepEqual(batches(), [['wg0', 1]]);
  const later = [writer.set('wg0', B, endpoint(2), signal), writer.set('wg0', C, endpoint(3), signal)];
  await clock.advance(50);
  later.push(writer.set('wg0', A, endpoint(4), signal));
  await clock.advance(49);
  assert.deepEqual(batches(), [['wg0', 1]]);
  await clock.advance(1);
  await Promise.all(later);
  assert.deepEqual(batches(), [
    ['wg0', 1],
    ['wg0', 3],
  ]);
  assert.equal(control.peer('wg0', A)?.endpoint?.port, 4);
  await clock.advance(200);
  assert.equal(clock.pending, 0, 'nothing waits any more');
  await writer.set('wg0', B, endpoint(5), signal);
  assert.equal(batches().length, 3, 'and the next one goes at once again');
});

test('F24 devices do not wait for each other', async () => {
  const { writer, batches } = open();
  await Promise.all([writer.set('wg0', A, endpoint(1), signal), writer.set('wg1', A, endpoint(1), signal)]);
  assert.deepEqual(batches(), [
    ['wg0', 1],
    ['wg1', 1],
  ]);
});

test('F24 of several endpoints for a peer the last one is written, and all who asked are told', async () => {
  const { clock, writer, control } = open();
  await writer.set('wg0', A, endpoint(1), signal);
  const asked = [writer.set('wg0', B, endpoint(2), signal), writer.set('wg0', B, endpoint(3), signal)];
  await clock.advance(100);
  await Promise.all(asked);
  assert.equal(control.peer('wg0', B)?.endpoint?.port, 3);
});

test('F13 a peer that is not there fails alone', async () => {
  const { clock, writer, control } = open();
  await writer.set('wg0', A, endpoint(1), signal);
  control.removePeer('wg0', B);
  const asked = [B, C].map((peer) => outcome(writer.set('wg0', peer, endpoint(2), signal)));
  await clock.advance(100);
  const [b, c] = await Promise.all(asked);
  assert.ok(hasCode(b, 'ERR_WG_PEER_NOT_FOUND'));
  assert.equal(c, 'set');
});

test('F13 an endpoint that the device refuses fails alone', async () => {
  const { clock, control } = open();
  const refusing = {
    setPeerEndpoints: async (...[device, endpoints, o]: Parameters<typeof control.setPeerEndpoints>) => {
      if (endpoints.has(C)) throw new StunmeshError('ERR_WG_FAILED', 'no such zone');
      return control.setPeerEndpoints(device, endpoints, o);
    },
  };
  const writer = createEndpointWriter({ control: refusing, clock });
  await writer.set('wg0', A, endpoint(1), signal);
  const asked = PEERS.map((peer) => outcome(writer.set('wg0', peer, endpoint(2), signal)));
  await clock.advance(100);
  for (const [i, result] of (await Promise.all(asked)).entries())
    if (PEERS[i] === C) assert.ok(hasCode(result, 'ERR_WG_FAILED'));
    else assert.equal(result, 'set');
});

test('a failure of the whole device is told to all, after one call', async () => {
  const { clock, writer, control } = open();
  await writer.set('wg0', A, endpoint(1), signal);
  control.fail('setPeerEndpoints', new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', 'gone'));
  const asked = [B, C].map((peer) => outcome(writer.set('wg0', peer, endpoint(2), signal)));
  await clock.advance(100);
  for (const result of await Promise.all(asked)) assert.ok(hasCode(result, 'ERR_WG_DEVICE_NOT_FOUND'));
  assert.equal(control.writes.length, 1);
  await clock.advance(100);
  assert.equal(await outcome(writer.set('wg0', B, endpoint(3), signal)), 'set');
});

test('a write that hangs ends at its deadline, and the next one goes', async () => {
  const { clock, writer, control } = open();
  control.hang('setPeerEndpoints');
  const first = outcome(writer.set('wg0', A, endpoint(1), signal));
  await settle();
  const second = outcome(writer.set('wg0', B, endpoint(2), signal));
  await clock.advance(15_000);
  assert.ok(hasCode(await first, 'ERR_DEADLINE'));
  assert.equal(await second, 'set');
});

test('who gives up while gathering is not waited for and not written', async () => {
  const { clock, writer, batches } = open();
  await writer.set('wg0', A, endpoint(1), signal);
  const caller = new AbortController();
  const asked = outcome(writer.set('wg0', B, endpoint(2), caller.signal));
  const reason = new Error('enough');
  caller.abort(reason);
  assert.equal(await asked, reason);
  assert.equal(await outcome(writer.set('wg0', B, endpoint(2), AbortSignal.abort(reason))), reason);
  await clock.advance(300);
  assert.deepEqual(batches(), [['wg0', 1]]);
});

test('closing ends what waits and what hangs with ERR_CLOSED, twice does no harm', async () => {
  const { clock, writer, control } = open();
  control.hang('setPeerEndpoints');
  const asked = [A, B].map((peer) => outcome(writer.set('wg0', peer, endpoint(1), signal)));
  await settle();
  await writer[Symbol.asyncDispose]();
  await writer[Symbol.asyncDispose]();
  for (const result of await Promise.all(asked)) assert.ok(hasCode(result, 'ERR_CLOSED'));
  assert.ok(hasCode(await outcome(writer.set('wg0', A, endpoint(1), signal)), 'ERR_CLOSED'));
  assert.equal(clock.pending, 0);
});
