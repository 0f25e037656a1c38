import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { ERROR_CODES } from '#src/api/error-codes.js';
import { formatPath } from '#src/config/explain.js';
import { formatReference, formatSchema } from '#src/config/reference.js';
import { CONFIG_SCHEMA } from '#src/config/schema.js';
import { isSecretName } from '#src/config/secrets.js';
import { suggest } from '#src/config/suggest.js';
import { fixturePath } from './fixtures.js';

const KEYS = ['public_key', 'plugin', 'protocol', 'description', 'ping'];

test('suggest finds the nearest word and none where none is near', () => {
  for (const [written, meant] of [
    ['pubkey', 'public_key'],
    ['PublicKey', 'public_key'],
    ['public-key', 'public_key'],
    ['plugins', 'plugin'],
    ['plguin', 'plugin'],
    ['pnig', 'ping'],
    ['descr', undefined],
    ['zone', undefined],
    ['x', undefined],
    ['', undefined],
    ['_', undefined],
    ['p'.repeat(10_000), undefined],
  ] as const)
    assert.equal(suggest(written, KEYS), meant, written);
});

test('fuzz: suggest gives a candidate or undefined, and a word for itself', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (word, candidates) => {
      const found = suggest(word, candidates);
      assert.ok(found === undefined || candidates.includes(found));
    }),
  );
  for (const key of KEYS) assert.equal(suggest(key, KEYS), key);
});

test('paths quote the names that need it', () => {
  assert.equal(
    formatPath(['interfaces', 'wg0.1', 'peers', 'my peer', 'plugin', 2]),
    'interfaces["wg0.1"].peers["my peer"].plugin[2]',
  );
  assert.equal(formatPath([]), '');
});

test('F34 secret names are known from others', () => {
  for (const name of [
    'token',
    'Token',
    'api_token',
    'password',
    'passwd',
    'pass',
    'redis_pass',
    'secret',
    'client_secret',
    'api_key',
    'apikey',
    'private_key',
    'credentials',
    'CF_API_TOKEN',
  ])
    assert.ok(isSecretName(name), name);
  for (const name of ['token_file', 'password_path', 'public_key', 'zone', 'path', 'compass', 'secrets_dir'])
    assert.ok(!isSecretName(name), name);
});

test('the reference in docs/configuration.md is the one that the schema gives', async () => {
  const text = await readFile(fixturePath('../../../docs/configuration.md'), 'utf8');
  // formatters of Markdown align the columns
  const cells = (table: string) =>
    table
      .trim()
      .replaceAll(/ *\| */g, '|')
      .replaceAll(/-{3,}/g, '---');
  const table = text.slice(text.search(/^\| key +\|/m));
  assert.equal(cells(table), cells(formatReference()), 'write it again: stunmesh config schema --markdown');
});

test('each key has a meaning, and a type that people understand', () => {
  for (const line of formatReference().trim().split('\n').slice(2)) {
    const [, key, type, , meaning] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    assert.match(key ?? '', /^`[a-zA-Z_.]+`$/);
    assert.notEqual(type, '', line);
    assert.match(meaning ?? '', /[.]$/, line);
  }
});

test('the schema for editors is plain draft 7: no format or keyword of ours', async () => {
  const schema = JSON.parse(formatSchema()) as object;
  assert.doesNotMatch(JSON.stringify(schema), /"x-|"format":"|"discriminator"/);
  const { Ajv } = await import('ajv');
  const check = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true }).compile(schema);
  assert.ok(check(JSON.parse(await readFile(fixturePath('full.json'), 'utf8'))), JSON.stringify(check.errors));
  for (const bad of [
    { refresh_interval: '5' },
    { refresh_interval: 5 },
    { stun: { addresses: ['a.b'] } },
    { interfaces: { 'a/b': {} } },
    { plugins: { x: { type: 'exec' } } },
    { unknown: 1 },
  ])
    assert.ok(!check(bad), JSON.stringify(bad));
  assert.equal(CONFIG_SCHEMA.$schema, 'http://json-schema.org/draft-07/schema#');
});

test('docs/errors.md has an entry with cause and remedy for every error code', async () => {
  const text = await readFile(fixturePath('../../../docs/errors.md'), 'utf8');
  const entries = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((entry) => [entry.split('\n', 1)[0], entry]),
  );
  assert.deepEqual([...entries.keys()].sort(), Object.keys(ERROR_CODES).sort());
  for (const [code, entry] of entries) assert.match(entry, /^Cause: .+[.]\nRemedy: .+[.]$/ms, code);
});
