/** Which environment variables hold secrets of the configured stores (F34). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretVariables } from '#src/config/secrets.js';

test('F34 what a key …_env names, at any depth, and what Cloudflare reads where nothing names it', () => {
  const builtin = (module: string, settings: object) => ({
    type: 'builtin' as const,
    module,
    settings: { ...settings },
  });
  assert.deepEqual(secretVariables([builtin('file', { path: '/x' })]), []);
  assert.deepEqual(secretVariables([builtin('cloudflare', { zone: 'x' })]), ['CLOUDFLARE_API_TOKEN']);
  assert.deepEqual(
    secretVariables([
      builtin('redis', { password_env: 'A', sentinels: { hosts: ['b'], Password_Env: 'B' } }),
      builtin('@stunmesh/store-cloudflare', { token_env: 'C' }),
      builtin('@acme/store', { key_env: 'D' }),
      { type: 'exec', settings: { command: 'x', env: { name_env: 'E' } } },
    ]),
    ['A', 'B', 'C', 'CLOUDFLARE_API_TOKEN', 'D'],
  );
});
