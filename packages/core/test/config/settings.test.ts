import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './fixtures.js';

/** A module's own schema, as store packages write it. */
const SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  additionalProperties: false,
  required: ['path'],
  properties: {
    path: { type: 'string', minLength: 1 },
    mode: { type: 'integer', minimum: 0, maximum: 511, default: 384 },
    sync: { type: 'boolean', default: true },
    hosts: { type: 'array', items: { type: 'string', format: 'unknown-format' } },
    token: { type: 'string', pattern: '^[a-z]+$' },
    every: { type: 'string', format: 'duration' },
  },
};

const text = (settings: string) => `plugins:\n  x: {Type: builtin, name: y, timeout: 1s, dedup: true, ${settings}}\n`;

test("a module's settings are converted, completed and checked by its own schema", async (t) => {
  const { checkSettings } = await load(t, text('PATH: /srv, mode: "448", hosts: "a, b", token: abc'));
  assert.deepEqual(await checkSettings('x', SCHEMA), {
    path: '/srv',
    mode: 448,
    sync: true,
    hosts: ['a', 'b'],
    token: 'abc',
  });
});

test("F40 mistakes in a module's settings have file, line and column too; F34 secrets are not quoted", async (t) => {
  const { checkSettings } = await load(t, text('pth: 7, mode: 600, sync: [1], hosts: {a: 1}, token: ABC9, every: 5'));
  await assert.rejects(checkSettings('x', SCHEMA), {
    code: 'ERR_CONFIG_INVALID',
    message: [
      'c.yaml:2:3: plugins.x.path: missing',
      'c.yaml:2:57: plugins.x.pth: unknown key; allowed here: path, mode, sync, hosts, token, every; did you mean "path"?',
      'c.yaml:2:71: plugins.x.mode: 600 is not allowed; allowed: 0 to 511',
      'c.yaml:2:76: plugins.x.sync: a list where true or false is needed',
      'c.yaml:2:87: plugins.x.hosts: a mapping (key: value) where a list is needed',
      'c.yaml:2:109: plugins.x.token: the value is not allowed (it must match pattern "^[a-z]+$")',
      'c.yaml:2:122: plugins.x.every: "5" has no unit; allowed: a duration of at least 1ms: numbers with units (ns, us, ms, s, m, h), as 90s or 1m30s; did you mean "5s"?',
    ].join('\n'),
  });
});

test('a plugin that is not there has no settings to check, a broken schema throws', async (t) => {
  const { checkSettings } = await load(t, text('path: /x'));
  await assert.rejects(checkSettings('nobody', SCHEMA), { code: 'ERR_CONFIG_INVALID' });
  await assert.rejects(checkSettings('x', { type: 'nonsense' }), (error: Error) => !('retry' in error));
});
