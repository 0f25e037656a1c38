/** How much a mesh says: little while all is well, one line for what begins to go wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createLogger } from '#src/telemetry/logger.js';
import { createHarness, type Harness } from '../controllers/harness.js';

const HOUR_MS = 3_600_000;

/** The lines that an operator sees at the usual level since the last call, as they stand on a terminal. */
function seen({ logger }: Harness): readonly string[] {
  const lines: string[] = [];
  const terminal = createLogger({
    level: 'info',
    format: 'console',
    colour: false,
    write: (line) => lines.push(line),
  });
  for (const { level, fields, message } of logger.lines.splice(0)) terminal[level](fields, message);
  return lines;
}

test('a mesh of five: a few lines until all are connected, then nothing for an hour, whatever is refreshed and read', async () => {
  const harness = createHarness({ peers: 5, refreshIntervalMs: 600_000, mappingCheckMs: 30_000, keepaliveSeconds: 25 });
  await harness.start();
  for (let index = 0; index < 5; index += 1) await harness.connect(index);
  const start = seen(harness);
  for (let index = 0; index < 5; index += 1)
    assert.equal(start.filter((line) => line.includes(`wg0/peer-${index} connected`)).length, 1);
  // The device, its address, and for each peer an endpoint and that it is connected.
  assert.ok(start.length <= 2 + 2 * 5, start.join(''));
  for (const line of start) assert.match(line, /^\d\d:\d\d:\d\d [A-Z]+ +\S.*\n$/);
  await harness.live(HOUR_MS);
  assert.deepEqual(seen(harness), []);
  assert.ok(harness.only('get').length >= 5, 'records were read meanwhile');
  await harness.stop();
});

test('a store that is down for an hour: a line for each peer at a refresh, and one for the store, not one for each attempt', async () => {
  const harness = createHarness({ peers: 3, keepaliveSeconds: 25 });
  await harness.start();
  for (let index = 0; index < 3; index += 1) await harness.connect(index);
  seen(harness);
  const store = harness.stores.get('main');
  assert.ok(store);
  store.failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'the store is down');
  await harness.live(HOUR_MS);
  const lines = seen(harness);
  const refreshes = HOUR_MS / 600_000;
  assert.ok(lines.length >= 1 && lines.length <= 3 * refreshes + 4, lines.join(''));
  await harness.stop();
});
