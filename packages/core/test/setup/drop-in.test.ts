/** The drop-in that lets systemd's service write to the folder of records. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dropInFor, writeDropIn } from '#src/setup/drop-in.js';
import type { Plan } from '#src/setup/plan.js';
import { storeKind } from '#src/setup/store-kinds.js';

function plan(kind: string, settings: Record<string, string>): Plan {
  const store = { name: 'shared', kind: storeKind(kind), settings };
  return { devices: [], store, stunServers: [], protocol: 'ipv4', ping: false, portMapping: false };
}

test('a folder of records needs one under systemd, with what systemd reads as special escaped; other stores need none', () => {
  assert.equal(dropInFor(plan('file', { path: '/srv/mesh' }), 'linux'), '[Service]\nReadWritePaths="-/srv/mesh"\n');
  assert.equal(
    dropInFor(plan('file', { path: '/srv/a b%"c' }), 'linux'),
    '[Service]\nReadWritePaths="-/srv/a b%%\\"c"\n',
  );
  assert.equal(dropInFor(plan('file', { path: '/srv/mesh' }), 'freebsd'), undefined);
  assert.equal(dropInFor(plan('redis', { url: 'redis://x' }), 'linux'), undefined);
});

test('it is written for the configuration that the service reads, and for no other', async (t) => {
  const units = await mkdtemp(join(tmpdir(), 'stunmesh-units-'));
  t.after(() => rm(units, { recursive: true, force: true }));
  const file = join(units, 'stunmesh.service.d/store.conf');
  assert.equal(await writeDropIn('x', '/root/my.yaml', units), undefined);
  assert.equal(await writeDropIn('x', '/etc/stunmesh/config.yaml', units), file);
  assert.equal(await readFile(file, 'utf8'), 'x');
  assert.equal((await stat(file)).mode & 0o777, 0o644);
  assert.equal(await writeDropIn('x', '/etc/stunmesh/config.yaml', join(units, 'none')), undefined);
});
