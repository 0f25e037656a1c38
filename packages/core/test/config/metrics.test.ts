/** metrics.listen: where metrics may be served, and what is refused with the way out (F40). */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Config, loadConfig } from '#src/config/index.js';

async function metrics(t: TestContext, yaml: string): Promise<Config['metrics']> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-metrics-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'config.yaml'), `stun: { addresses: ["stun.example:3478"] }\n${yaml}\n`);
  return (await loadConfig({ dir, env: {}, cwd: '/' })).config.metrics;
}

test('a loopback address, or any with remote: true; none where the key is absent', async (t) => {
  assert.equal(await metrics(t, ''), undefined);
  assert.equal(await metrics(t, 'metrics: {}'), undefined);
  assert.deepEqual(await metrics(t, 'metrics: { listen: "127.0.0.1:9586" }'), {
    listen: { family: 4, address: '127.0.0.1', port: 9586 },
    page: false,
  });
  assert.deepEqual(await metrics(t, 'metrics: { listen: "[::1]:9586" }'), {
    listen: { family: 6, address: '::1', port: 9586 },
    page: false,
  });
  assert.equal((await metrics(t, 'metrics: { listen: "127.0.0.1:1", page: true }'))?.page, true);
  assert.equal((await metrics(t, 'metrics: { listen: "127.8.9.1:1" }'))?.listen.address, '127.8.9.1');
  assert.deepEqual(await metrics(t, 'metrics: { listen: "0.0.0.0:9586", remote: "true" }'), {
    listen: { family: 4, address: '0.0.0.0', port: 9586 },
    page: false,
  });
});

test('F40 an address that others reach is refused unless remote is true; a name or a bare port is explained', async (t) => {
  for (const address of ['0.0.0.0:9586', '192.0.2.1:9586', '[::]:9586', '[2001:db8::1]:9586'])
    for (const remote of ['', ', remote: false'])
      await assert.rejects(metrics(t, `metrics: { listen: "${address}"${remote} }`), (error: Error) => {
        assert.match(error.message, /:2:\d+: metrics\.listen: .* is no loopback address; .*remote: true/);
        return true;
      });
  for (const [written, meant] of [
    ['localhost:9586', '127.0.0.1:9586'],
    ['9586', '127.0.0.1:9586'],
    [':9586', '127.0.0.1:9586'],
  ])
    await assert.rejects(metrics(t, `metrics: { listen: "${written}" }`), (error: Error) => {
      assert.match(error.message, /is not a numeric address with a port/);
      assert.ok(error.message.includes(`did you mean "${meant}"`), error.message);
      return true;
    });
  await assert.rejects(metrics(t, 'metrics: { listen: "127.0.0.1:70000" }'), /not a numeric address/);
  await assert.rejects(metrics(t, 'metrics: { page: true }'), /metrics\.page: there is no address .*metrics\.listen/);
  await assert.rejects(metrics(t, 'metrics: { port: 9586 }'), /metrics\.port: unknown key/);
});
