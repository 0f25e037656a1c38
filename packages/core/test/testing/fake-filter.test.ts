import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DiversionRules, hasCode } from '#src/api/index.js';
import { captureError, createFakeCapture } from '#src/testing/index.js';

const REMOTE = { family: 4, address: '198.51.100.7', port: 40_000 } as const;
const RULES: DiversionRules = { device: 'wg0', localPort: 51_820, sourcePort: 30_000, remote: REMOTE };

test('the fake packet filter keeps what was muffled and hushed, with the limits of the real one', async () => {
  const fake = createFakeCapture();
  const { device, localPort } = RULES;
  await fake.muffle({ device, localPort, remote: REMOTE, ms: 170 });
  await fake.hushPorts({ device, ports: [30_000, 30_001], ms: 60_000 });
  assert.deepEqual(fake.rules.muffles, [{ device, localPort, remote: REMOTE, ms: 170 }]);
  assert.deepEqual(fake.rules.hushes, [{ device, ports: [30_000, 30_001], ms: 60_000 }]);
  const refusal = (error: unknown) => hasCode(error, 'ERR_CAPTURE_FILTER');
  for (const ms of [0, 1001, 1.5])
    await assert.rejects(fake.muffle({ device, localPort, remote: REMOTE, ms }), refusal);
  await assert.rejects(fake.hushPorts({ device, ports: [1], ms: 120_001 }), refusal);
  await assert.rejects(fake.hushPorts({ device, ports: new Array(513).fill(1), ms: 1 }), refusal);
  assert.equal(fake.rules.muffles.length + fake.rules.hushes.length, 2);
});

test('a diversion of the fake replaces one of the same remote, ends with its owner unless it is kept, and is found by the next one', async () => {
  const fake = createFakeCapture();
  {
    await using first = await fake.divert(RULES);
    await using second = await fake.divert({ ...RULES, sourcePort: 30_001 });
    assert.deepEqual([first.sourcePort, second.sourcePort], [30_000, 30_001]);
    assert.deepEqual(fake.rules.diverted, [{ ...RULES, sourcePort: 30_001 }]);
    second.keep();
  }
  await fake.divert({ ...RULES, device: 'wg1' });
  const [adopted, ...more] = await fake.diversions('wg0');
  assert.equal(more.length, 0);
  await adopted?.remove();
  await adopted?.remove();
  assert.deepEqual(await fake.diversions('wg0'), []);
  assert.deepEqual(await fake.removeRules('wg0'), []);
  assert.deepEqual(await fake.removeRules(), ['wg1']);
  assert.equal(fake.rules.diverted.length, 0);
});

test('the fake packet filter refuses as it is told, until it is told otherwise', async () => {
  const fake = createFakeCapture();
  fake.fail('filter', captureError('ERR_CAPTURE_FILTER'));
  const refusal = (error: unknown) => hasCode(error, 'ERR_CAPTURE_FILTER');
  for (const call of [
    () => fake.divert(RULES),
    () => fake.diversions('wg0'),
    () => fake.removeRules(),
    () => fake.muffle({ ...RULES, ms: 1 }),
  ])
    await assert.rejects(call, refusal);
  fake.fail('filter', undefined);
  await fake.divert(RULES);
  assert.equal(fake.rules.diverted.length, 1);
});
