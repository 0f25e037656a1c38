/** The module as the host meets it: settings, traits, nothing done at open. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import cloudflareStore from '#src/index.js';
import { TOKEN } from './lab/api-server.js';
import { open } from './lab/open-store.js';

const components = { clock: createSystemClock(), logger: createMemoryLogger() };

test('F32 opening and closing a store makes no call', async (t) => {
  const { api, store } = await open(t);
  await store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  assert.equal(api.calls.length, 0);
});

test('F40 settings that cannot work are refused with what is allowed', async () => {
  const good = { zone: 'example.com', token: TOKEN };
  for (const [settings, text] of [
    [{ zone: 'no zone' }, 'example.com'],
    [{ ttl: 7 }, '30 to 86400'],
    [{ api: 'api.cloudflare.com' }, 'https://'],
    [{ api: 'http://192.0.2.1/client/v4' }, 'https://'],
    [{ api: 'https://user@api.example.com' }, 'https://'],
    [{ servers: ['ns1.example.com'] }, '192.0.2.53:5353'],
    [{ servers: ['192.0.2.1:0'] }, '192.0.2.53:5353'],
    [{ servers: ['[192.0.2.1'] }, '192.0.2.53:5353'],
    [{ resolver: ['192.0.2.1:99999999'] }, '192.0.2.53:5353'],
    [{ token_file: 'x' }, 'only one of'],
  ] as const)
    await assert.rejects(
      async () => cloudflareStore.open({ ...good, ...settings }, components),
      (error: Error) => hasCode(error, 'ERR_CONFIG_INVALID') && error.message.includes(text),
      JSON.stringify(settings),
    );
  for (const settings of [
    { ttl: 1 },
    { ttl: 30 },
    { api: 'https://proxy.example.com/cf/' },
    { api: 'http://[::1]:8080' },
    { servers: ['127.0.0.1:5353', '[::1]:5353', '192.0.2.1', '2001:db8::53'] },
  ])
    await (await cloudflareStore.open({ ...good, ...settings }, components))[Symbol.asyncDispose]();
});

test('F36 a value for older readers fits in one string of a TXT record, one for others in several, and polling leaves room for eleven hosts', () => {
  const { maxValueBytes, maxLongValue, minPollMs, expiresAfterMs } = cloudflareStore.traits({ zone: 'example.com' });
  assert.deepEqual([maxValueBytes, maxLongValue], [255, 2_000]);
  assert.equal(expiresAfterMs, undefined);
  // A peer that is not there is looked for ever more seldom, by a fiftieth of the time that it has been waited for.
  let reads = 0;
  for (let at = 0; at < 300_000; at += Math.max(minPollMs, at / 50)) reads += 1;
  assert.ok(11 * reads <= 1_200, `${reads} reads in five minutes`);
  const dns = cloudflareStore.traits({ zone: 'example.com', read: 'dns' });
  assert.deepEqual([dns.maxValueBytes, dns.maxLongValue], [255, 2_000]);
  assert.ok(dns.minPollMs < minPollMs);
});

test('the SDK is bundled: the package imports nothing else, and says whose work is inside', async () => {
  const folder = new URL('../', import.meta.url);
  const bundle = await readFile(new URL('build/sdk.js', folder), 'utf8');
  const imports = [...bundle.matchAll(/^import .* from "([^"]+)"/gm)].map((match) => match[1]);
  assert.deepEqual(imports, []);
  assert.ok(bundle.length < 150_000, `${bundle.length} characters`);
  assert.match(bundle, /Apache-2\.0/);
  assert.match(await readFile(new URL('build/sdk.LICENSE', folder), 'utf8'), /Apache License/);
  const manifest = JSON.parse(await readFile(new URL('package.json', folder), 'utf8')) as Record<string, object>;
  assert.equal(manifest['dependencies'], undefined);
});
