/** Who sees keys and addresses: nobody but who asks from this host, for this host, with no proxy in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seesAll } from '#src/page/audience.js';

const asks = (
  from: string | undefined,
  headers: Readonly<Record<string, string>> = { host: '127.0.0.1:9586' },
  httpVersion = '1.1',
) => seesAll({ from, headers, httpVersion });

test('a client on this host that asks for a loopback name sees all', () => {
  for (const host of [
    '127.0.0.1',
    '127.0.0.1:9586',
    '127.8.9.1:1',
    '[::1]',
    '[::1]:9586',
    'localhost',
    'LocalHost:9586',
  ])
    assert.equal(asks('127.0.0.1', { host }), true, host);
  assert.equal(asks('::1', { host: '[::1]:9586' }), true);
});

test('another address, or none, does not', () => {
  for (const from of ['192.0.2.1', '10.0.0.1', '::', '0.0.0.0', '2001:db8::1', '::ffff:192.0.2.1', '', undefined])
    assert.equal(asks(from), false, String(from));
});

test('a name that somebody else owns does not, though it leads here (DNS rebinding)', () => {
  for (const host of [
    'evil.example:9586',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'notlocalhost',
    '192.0.2.1:9586',
    '[2001:db8::1]:9586',
    '127.1:9586',
    '2130706433',
    '127.0.0.1:9586, evil.example',
    'localhost@evil.example',
    '',
  ])
    assert.equal(asks('127.0.0.1', { host }), false, host);
  assert.equal(asks('127.0.0.1', {}), false);
});

test('what came by way of a proxy, or was asked for by another site in the browser, does not', () => {
  for (const name of [
    'forwarded',
    'via',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-forwarded-anything',
    'x-real-ip',
    'cf-connecting-ip',
  ])
    assert.equal(asks('127.0.0.1', { host: 'localhost', [name]: '' }), false, name);
  for (const [site, sees] of [
    ['same-origin', true],
    ['none', true],
    ['same-site', false],
    ['cross-site', false],
  ] as const)
    assert.equal(asks('127.0.0.1', { host: 'localhost', 'sec-fetch-site': site }), sees, site);
});

test('HTTP/1.0 does not: a proxy that says nothing of itself often speaks it, and no browser does', () => {
  const headers = { host: '127.0.0.1:9586', connection: 'close' };
  for (const [version, sees] of [
    ['1.1', true],
    ['1.0', false],
    ['0.9', false],
  ] as const)
    assert.equal(asks('127.0.0.1', headers, version), sees, version);
});
