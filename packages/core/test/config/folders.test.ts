import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldersOf } from '#src/config/folders.js';

test('each system has its own places for what lives until the next boot and for what survives it', () => {
  assert.deepEqual(foldersOf('linux'), { run: '/run/stunmesh', state: '/var/lib/stunmesh' });
  for (const platform of ['freebsd', 'darwin', 'openbsd'] as const)
    assert.deepEqual(foldersOf(platform), { run: '/var/run/stunmesh', state: '/var/db/stunmesh' });
});
