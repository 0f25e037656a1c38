/** What the log says of a connection that comes and goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '@stunmesh/core/api';
import { createFakeClock, createMemoryLogger } from '@stunmesh/core/testing';
import { createReport } from '#src/report.js';

const error = (code: 'ERR_STORE_INTERNAL' | 'ERR_STORE_DENIED') => new StunmeshError(code, 'no');

test('F76 a server that ends each connection is told three times in ten minutes; another reason is told at once', async () => {
  const [clock, logger] = [createFakeClock(), createMemoryLogger()];
  const report = createReport(logger, 'here', clock);
  const levels = () => logger.lines.map(({ level }) => level).filter((level) => level !== 'debug');
  for (let round = 0; round < 100; round += 1) {
    report.up('commands');
    report.down('commands', error('ERR_STORE_INTERNAL'));
    await clock.advance(5_000);
  }
  const thrice = ['warn', 'info', 'warn', 'info', 'warn', 'info'];
  assert.deepEqual(levels(), thrice);
  report.up('commands');
  report.down('commands', error('ERR_STORE_DENIED'));
  report.down('news', error('ERR_STORE_DENIED'));
  report.up('news');
  report.up('commands');
  assert.deepEqual(levels(), [...thrice, 'warn', 'info']);
  await clock.advance(600_000);
  report.down('commands', error('ERR_STORE_INTERNAL'));
  assert.deepEqual(levels(), [...thrice, 'warn', 'info', 'warn']);
});
