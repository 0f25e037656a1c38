/** What the daemon makes of STUN servers that contradict each other: it says so once, and follows the majority (F82). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createSnapshot } from '#src/control/snapshot.js';
import type { DiscoveredAddress } from '#src/controllers/device-components.js';
import { createDiscoverySchedule } from '#src/controllers/publish/discovery-schedule.js';
import { createGather } from '#src/controllers/publish/gather.js';
import { createOwnRecord } from '#src/controllers/publish/own-record.js';
import { createPublish, type Publish } from '#src/controllers/publish/publish.js';
import { createWriting } from '#src/controllers/publish/writing.js';
import { createEndpoint } from '#src/net/index.js';
import { localCandidate } from '#src/paths/candidate.js';
import { judgeWitnesses, type Witness } from '#src/stun/witnesses.js';
import { createComponents } from '../doubles.js';

const TRUE = createEndpoint(Uint8Array.of(203, 0, 113, 9), 40_000);
const LIE = createEndpoint(Uint8Array.of(198, 51, 100, 66), 40_000);
const witness = (server: string, mapped = TRUE): Witness => ({ server, mapped });

/** Discoveries find these, one after the other; the last one stays. */
function setUp(
  found: readonly { readonly endpoint: DiscoveredAddress['endpoint']; readonly heard?: [Witness, ...Witness[]] }[],
) {
  let n = 0;
  const d = createComponents({
    parts: {
      async discover() {
        const { endpoint, heard } = found[Math.min(n, found.length - 1)] ?? assert.fail('nothing to find');
        n += 1;
        const witnesses = Promise.resolve(heard && judgeWitnesses(heard));
        return { endpoint, mapped: endpoint, server: 'a:1', rttMs: 20, natted: true, witnesses };
      },
    },
  });
  const publish: Publish = createPublish({
    ...d.c,
    gather: createGather({ ...d.c, outvoted: () => void publish.refresh() }),
    schedule: createDiscoverySchedule(d.c),
    writing: createWriting({ ...d.c, ownRecord: createOwnRecord(d.c) }),
    mappingChanged: async () => undefined,
    discovered: async () => undefined,
  });
  const errors = () =>
    createSnapshot({
      version: '0',
      startedAt: 0,
      wallNow: d.clock.wallNow(),
      now: d.clock.now(),
      device: d.device,
      stores: [],
    }).devices[0]?.errors.map(({ of, code, message }) => `${of} ${code} ${message}`);
  return { ...d, publish, errors, discoveries: () => n };
}

test('F82 where most servers see another address it is looked for at once, and published', async () => {
  const d = setUp([
    { endpoint: LIE, heard: [witness('a:1', LIE), witness('b:1'), witness('c:1')] },
    { endpoint: TRUE, heard: [witness('b:1'), witness('c:1'), witness('a:1', LIE)] },
  ]);
  await d.publish.refresh();
  await d.clock.advance(0);
  assert.equal(d.discoveries(), 2);
  assert.deepEqual(localCandidate(d.device.candidates, 'reflexive', 4)?.endpoint, TRUE);
  const [error = ''] = d.errors() ?? [];
  assert.match(error, /^ipv4 ERR_STUN_DISAGREE .*b:1 sees 203\.0\.113\.9, a:1 sees 198\.51\.100\.66; most/);
});

test('F82 without a majority the first address stays; who disagrees is said once, until they agree again', async () => {
  const disagreeing = { endpoint: TRUE, heard: [witness('a:1'), witness('b:1', LIE)] as [Witness, Witness] };
  const d = setUp([disagreeing, disagreeing, { endpoint: TRUE, heard: [witness('a:1'), witness('b:1')] }]);
  for (let i = 0; i < 2; i += 1) await d.publish.refresh();
  assert.equal(d.discoveries(), 2);
  assert.match(d.errors()?.[0] ?? '', /none has a majority/);
  assert.equal(d.logger.lines.filter(({ level }) => level === 'warn').length, 1);
  assert.equal(d.events.filter(({ event }) => event === 'fault').length, 1);
  await d.publish.refresh();
  await d.clock.advance(0);
  assert.deepEqual(d.errors(), []);
});

test('F82 the agreement of the others takes nothing back until the one they contradicted is heard to agree', async () => {
  const honest = { endpoint: TRUE, heard: [witness('b:1'), witness('c:1')] as [Witness, Witness] };
  const d = setUp([
    { endpoint: TRUE, heard: [witness('b:1'), witness('a:1', LIE), witness('c:1')] },
    honest,
    { endpoint: TRUE, heard: [...honest.heard, witness('a:1')] as unknown as [Witness, Witness] },
  ]);
  for (let i = 0; i < 2; i += 1) await d.publish.refresh();
  await d.clock.advance(0);
  assert.match(d.errors()?.[0] ?? '', /a:1 sees 198\.51\.100\.66; most/);
  await d.publish.refresh();
  await d.clock.advance(0);
  assert.deepEqual(d.errors(), []);
});

test('F82 who was not contradicted again is not forgotten: silence of the others takes nothing back', async () => {
  const d = setUp([{ endpoint: TRUE, heard: [witness('a:1'), witness('b:1', LIE)] }, { endpoint: TRUE }]);
  await d.publish.refresh();
  await d.publish.refresh();
  assert.equal(d.errors()?.length, 1);
});

test('a family without any address has that fault alone', async () => {
  const d = setUp([{ endpoint: TRUE, heard: [witness('a:1'), witness('b:1', LIE)] }]);
  await d.publish.refresh();
  Object.assign(d.outside, {
    discover: () => Promise.reject(new StunmeshError('ERR_STUN_NO_RESPONSE', 'nobody answers')),
  });
  await d.publish.refresh();
  assert.deepEqual(
    d.errors()?.map((text) => text.split(' ')[1]),
    ['ERR_STUN_NO_RESPONSE'],
  );
});
