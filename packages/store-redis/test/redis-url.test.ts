import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseNode, parseRedisUrl } from '#src/redis-url.js';
import { failing } from './lab/store.js';

test('addresses of servers are read', () => {
  const tcp = (host: string, port = 6379) => ({ address: { host, port }, tls: false });
  assert.deepEqual(parseRedisUrl('redis://localhost'), tcp('localhost'));
  assert.deepEqual(parseRedisUrl('redis://192.0.2.1:7000/'), tcp('192.0.2.1', 7000));
  assert.deepEqual(parseRedisUrl('redis://[2001:db8::1]:7000/12'), { ...tcp('2001:db8::1', 7000), db: 12 });
  assert.deepEqual(parseRedisUrl('rediss://r.example'), { ...tcp('r.example'), tls: true });
  assert.deepEqual(parseRedisUrl('redis://:p%40ss%2F@r.example'), { ...tcp('r.example'), password: 'p@ss/' });
  assert.deepEqual(parseRedisUrl('redis://mesh:%D1%8F@r.example'), {
    ...tcp('r.example'),
    username: 'mesh',
    password: 'я',
  });
  assert.deepEqual(parseRedisUrl('unix:///run/redis.sock'), { address: { path: '/run/redis.sock' }, tls: false });
  assert.deepEqual(parseRedisUrl('redis+unix:///run/a%20b.sock?db=2'), {
    address: { path: '/run/a b.sock' },
    tls: false,
    db: 2,
  });
});

test('F34 addresses that are none are refused, and not quoted', () => {
  for (const text of [
    'tr0ut',
    'tr0ut:6379',
    'http://u:tr0ut@host',
    'redis://u:tr0ut@host:99999',
    'redis://u:tr0ut@',
    'redis://u:tr0ut@host/one',
    'redis://u:tr0ut@host?x=1',
    'redis://u:tr#0ut@host',
    'redis://u:tr0ut%zz@host',
    'unix://u:tr0ut@host/path',
    'unix:///path?tr0ut=1',
    'unix:///',
  ]) {
    assert.throws(
      () => parseRedisUrl(text),
      (error: Error & { code?: unknown; stack?: string }) => {
        assert.equal(error.code, 'ERR_CONFIG_INVALID', text);
        assert.doesNotMatch(`${error.message}${JSON.stringify(error)}`, /0ut/, text);
        return true;
      },
      text,
    );
  }
});

test('nodes are read, with and without a port', () => {
  assert.deepEqual(parseNode('a.example:7000', 'cluster[0]', 1), { host: 'a.example', port: 7000 });
  assert.deepEqual(parseNode('a.example', 'cluster[0]', 1), { host: 'a.example', port: 1 });
  assert.deepEqual(parseNode('[2001:db8::1]:7000', 'cluster[0]', 1), { host: '2001:db8::1', port: 7000 });
  for (const text of ['', 'redis://a:1', 'a:b', 'a:0', 'a:65536', '2001:db8::1', 'u:p@a:1']) {
    assert.throws(
      () => parseNode(text, 'cluster[0]', 1),
      failing('ERR_CONFIG_INVALID', 'cluster[0]', 'HOST:PORT'),
      text,
    );
  }
});

test('addresses are written as people know them', () => {
  assert.equal(formatAddress({ host: '2001:db8::1', port: 1 }), '[2001:db8::1]:1');
  assert.equal(formatAddress({ host: 'a', port: 1 }), 'a:1');
  assert.equal(formatAddress({ path: '/a' }), '/a');
});
