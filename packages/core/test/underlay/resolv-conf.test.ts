/** resolv.conf(5): whom to ask, and which names a short name stands for (F80). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namesToTry, parseResolvConf, readResolvConf } from '#src/underlay/resolv-conf.js';

test('servers, search list and ndots are read; of several search lines the last counts', () => {
  const conf = parseResolvConf(
    `# comment\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\nnameserver nonsense
domain first.example\nsearch a.example. b.example  ; and so on\noptions rotate ndots:2 timeout:1\n`,
  );
  assert.deepEqual(
    conf.nameServers.map(({ address, port }) => `${address} ${port}`),
    ['192.0.2.53 53', '2001:db8::53 53'],
  );
  assert.deepEqual([conf.search, conf.ndots], [['a.example', 'b.example'], 2]);
  assert.deepEqual(parseResolvConf('search a.example\ndomain lan.example other\n').search, ['lan.example']);
  assert.equal(parseResolvConf('options ndots:99\n').ndots, 15);
  assert.equal(parseResolvConf(`search ${'x.example '.repeat(40)}`).search.length, 6);
  assert.deepEqual(readResolvConf('/nonexistent'), { nameServers: [], search: [], ndots: 1 });
});

test('F80 a name with fewer dots than ndots is looked for in the search list first, any other as it is first', () => {
  const conf = { search: ['lan.example', 'example'], ndots: 1 };
  assert.deepEqual(namesToTry('stun', conf), ['stun.lan.example', 'stun.example', 'stun']);
  assert.deepEqual(namesToTry('stun.lan', conf), ['stun.lan', 'stun.lan.lan.example', 'stun.lan.example']);
  assert.deepEqual(namesToTry('stun.lan', { ...conf, ndots: 2 })[0], 'stun.lan.lan.example');
  assert.deepEqual(namesToTry('stun.', conf), ['stun']);
  assert.deepEqual(namesToTry('stun', { search: [], ndots: 1 }), ['stun']);
});
