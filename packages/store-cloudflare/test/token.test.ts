import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode, type StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { createTokenReader } from '#src/token.js';
import { TOKEN } from './lab/api-server.js';
import { failureOf, free, newKey, openStore, startApi } from './lab/open-store.js';

async function tokenFile(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-cloudflare-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'token');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

/** Sets variables of this process's environment for one test. */
function withEnvironment(t: TestContext, values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

test('F34 the token comes from the configuration, a file, a credential or the environment', async (t) => {
  const path = await tokenFile(t, `${TOKEN}\n`);
  for (const [source, environment] of [
    [{ token: TOKEN }, {}],
    [{ token_file: path }, {}],
    [{ token_file: 'token' }, { CREDENTIALS_DIRECTORY: join(path, '..') }],
    [{ token_env: 'MY_TOKEN' }, { MY_TOKEN: TOKEN, CLOUDFLARE_API_TOKEN: 'another-token' }],
    [{}, { CLOUDFLARE_API_TOKEN: TOKEN }],
  ] as const)
    assert.equal(await createTokenReader(source, environment)(), TOKEN);
});

test('F40 two sources at once and a relative path are refused', async () => {
  for (const source of [
    { token: TOKEN, token_file: '/x' },
    { token_file: '/x', token_env: 'X' },
    { token_file: 'token' },
    { token_file: '../token' },
  ])
    assert.throws(
      () => createTokenReader(source, {}),
      (error) => hasCode(error, 'ERR_CONFIG_INVALID') && !String(error).includes(TOKEN),
    );
});

test('F34 a token that is missing or none is denied without being quoted', async (t) => {
  const broken = 'secret with spaces';
  const path = await tokenFile(t, broken);
  for (const [source, environment, text] of [
    [{}, {}, 'CLOUDFLARE_API_TOKEN'],
    [{ token_env: 'MY_TOKEN' }, { MY_TOKEN: '' }, 'MY_TOKEN'],
    [{ token_file: '/nowhere/token' }, {}, 'ENOENT'],
    [{ token_file: '/' }, {}, 'EISDIR'],
    [{ token_file: path }, {}, path],
    [{ token: broken }, {}, 'token'],
    [{ token: `${TOKEN}\r\nX-Header: y` }, {}, 'token'],
  ] as const) {
    const error = await failureOf(createTokenReader(source, environment)());
    assert.equal(error.code, 'ERR_STORE_DENIED');
    assert.ok(error.message.includes(text), error.message);
    assert.ok(!error.message.includes(broken) && !error.message.includes(TOKEN));
  }
});

test('F76 a token file that is a pipe without a writer, or larger than any token, is named at once', async (t) => {
  const path = await tokenFile(t, `${TOKEN}\n`.padEnd(5_000));
  const pipe = `${path}.pipe`;
  execFileSync('mkfifo', [pipe]);
  for (const [file, why] of [
    [path, 'it is longer than 4096 bytes'],
    [pipe, 'it is no regular file'],
    ['/dev/zero', 'it is no regular file'],
  ] as const) {
    const error = await failureOf(createTokenReader({ token_file: file }, {})());
    assert.equal(error.code, 'ERR_STORE_DENIED');
    assert.ok(error.message.startsWith(`${file}: the API token cannot be read (${why})`), error.message);
  }
});

test('F39 a token file that this user may not read is named', async (t) => {
  const path = await tokenFile(t, TOKEN);
  await chmod(path, 0);
  const root = process.getuid?.() === 0;
  if (root && !process.seteuid) return t.skip('needs seteuid');
  if (root) process.seteuid?.(65_534);
  try {
    const error: StunmeshError = await failureOf(createTokenReader({ token_file: path }, {})());
    assert.match(error.message, /EACCES/);
  } finally {
    if (root) process.seteuid?.(0);
  }
});

test('a renewed token file is read after the old token was refused', async (t) => {
  const api = await startApi(t);
  const path = await tokenFile(t, TOKEN);
  const store = await openStore(t, api, { token_file: path });
  assert.equal(await store.get(newKey(), free), undefined);
  api.token = 'renewed-token-0123456789abcdefghijklmnop';
  assert.equal((await failureOf(store.get(newKey(), free))).code, 'ERR_STORE_DENIED');
  await writeFile(path, api.token);
  assert.equal(await store.get(newKey(), free), undefined);
});

test('F34 what the environment holds for other programs goes nowhere, and the SDK logs nothing', async (t) => {
  const api = await startApi(t);
  withEnvironment(t, {
    CLOUDFLARE_API_KEY: 'key-of-another-program',
    CLOUDFLARE_EMAIL: 'somebody@example.com',
    CLOUDFLARE_API_USER_SERVICE_KEY: 'v1.0-another',
    CLOUDFLARE_BASE_URL: 'http://127.0.0.1:1',
    CLOUDFLARE_LOG: 'debug',
  });
  const written: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    const { write } = stream;
    stream.write = ((text: string) => {
      written.push(text);
      return true;
    }) as typeof stream.write;
    t.after(() => {
      stream.write = write;
    });
  }
  const logger = createMemoryLogger();
  const store = await openStore(t, api, { logger });
  await store.set(newKey(), 'abcd', free);
  api.fault = () => 'reset';
  await failureOf(store.get(newKey(), free));
  assert.ok(api.calls.length > 2);
  for (const { headers } of api.calls) {
    assert.equal(headers.authorization, `Bearer ${TOKEN}`);
    for (const name of ['x-auth-key', 'x-auth-email', 'x-auth-user-service-key'])
      assert.equal(headers[name], undefined);
  }
  assert.ok(!written.join('').includes('[log_') && !written.join('').includes(TOKEN));
  assert.ok(!logger.text().includes(TOKEN));
});
