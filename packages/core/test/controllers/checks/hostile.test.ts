/** What strangers send is met with silence: forged, replayed and reflected checks (F44). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from '#src/net/index.js';
import { CheckCodec } from '#src/paths/check-codec.js';
import { isCheckRequest } from '#src/paths/check-message.js';
import { createPairKeys } from '#src/record/pair-keys.js';
import { CheckWorld, router } from './world.js';

const STRANGER = parseEndpoint('192.0.2.66:4000');

async function connected() {
  const world = new CheckWorld({ router: router('a') }, { router: router('b') });
  const [a, b] = world.sides;
  await a.start();
  await b.start();
  assert.ok((await world.connect(10_000)) !== undefined);
  await world.clock.advance(2_000);
  // Those that arrived: one that did not may come later, by whatever way.
  const arrived = a.capture.sent.filter(
    ({ to, options }) => to.address === b.router.address && options?.ttl === undefined,
  );
  const requests = arrived.map(({ message }) => message).filter(isCheckRequest);
  assert.ok(requests.length > 0);
  return { world, a, b, requests };
}

test('F44 forged requests, those of another direction, and replays get no answer', async () => {
  assert.ok(STRANGER);
  const { world, a, b, requests } = await connected();
  const answers = () => [a, b].map(({ packets }) => packets.filter(({ kind }) => kind === 'answer').length);
  const [before, counts] = [answers(), { ...b.device.checkCounts }];
  let sent = 0;
  for (const request of requests) {
    for (let at = 0; at < request.length; at += 1) {
      const forged = Uint8Array.from(request);
      forged[at] = (forged[at] ?? 0) ^ 0x40;
      b.capture.deliver(forged, STRANGER, { localPort: 51_820 });
      sent += 1;
    }
    b.capture.deliver(request, STRANGER, { localPort: 51_820 });
    a.capture.deliver(request, STRANGER, { localPort: 51_820 });
  }
  await world.clock.advance(100);
  assert.ok(sent >= 72);
  assert.deepEqual(answers(), before);
  // The kernel hands over those alone whose tag is known.
  assert.ok(b.device.checkCounts.refused > counts.refused);
  assert.equal(b.device.checkCounts.answered, counts.answered);
  await a.stop();
  await b.stop();
});

test('a peer that is known by a check alone, without a record and an endpoint, is waited for: its phase does not flap', async () => {
  assert.ok(STRANGER);
  const world = new CheckWorld({ router: router('a') }, { router: router('b') });
  const [a, b] = world.sides;
  await a.start();
  await world.clock.advance(2_000);
  const codec = new CheckCodec(createPairKeys(b.own.secretKey, b.own.publicKey, a.own.publicKey));
  const transactionId = new Uint8Array(12).fill(7);
  const asked = codec.request(
    { transactionId, type: 'reflexive', nominated: false, betterPath: false },
    { seconds: world.clock.wallNow() / 1_000, clockSane: true },
  );
  assert.equal(a.capture.deliver(asked, STRANGER, { localPort: 51_820 }), 1);
  await world.clock.advance(20_000);
  assert.equal(a.device.checkCounts.answered, 1);
  assert.equal(a.peer.phase, 'waiting');
  const flaps = a.logger.lines.filter(({ message }) => message === 'phase connecting');
  assert.equal(flaps.length, 0);
  await a.stop();
});

test('F44 a forged answer makes no path valid', async () => {
  assert.ok(STRANGER);
  const { world, a, b } = await connected();
  const valid = a.device.checkCounts.valid;
  const answer = b.capture.sent.map(({ message }) => message).find((one) => one[0] === 1 && one[1] === 1);
  assert.ok(answer);
  const forged = Uint8Array.from(answer);
  forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
  for (const message of [answer, forged]) a.capture.deliver(message, STRANGER, { localPort: 51_820 });
  await world.clock.advance(100);
  assert.equal(a.device.checkCounts.valid, valid);
  await a.stop();
  await b.stop();
});
