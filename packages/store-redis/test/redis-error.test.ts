import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLost, redisError } from '#src/redis-error.js';

const explain = (message: string, code?: string) =>
  redisError(Object.assign(new Error(message), code === undefined ? {} : { code }), 'h:1', 'p:');

test('F33 what a server answers becomes "later" or "never", with a remedy', () => {
  for (const [message, code, retry, part] of [
    ['NOAUTH Authentication required.', 'ERR_STORE_DENIED', 'never', 'password_file'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'ERR_STORE_DENIED', 'never', 'wrong'],
    ["NOPERM this user has no permissions to run the 'mget' command", 'ERR_STORE_DENIED', 'never', '~p:* &p:*'],
    ['DENIED Redis is running in protected mode', 'ERR_STORE_DENIED', 'never', 'protected'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'ERR_STORE_UNAVAILABLE', 'later', 'maxmemory'],
    ["READONLY You can't write against a read only replica.", 'ERR_STORE_UNAVAILABLE', 'later', 'replica'],
    ['MISCONF Redis is configured to save RDB snapshots', 'ERR_STORE_UNAVAILABLE', 'later', 'disk'],
    ['LOADING Redis is loading the dataset in memory', 'ERR_STORE_UNAVAILABLE', 'later', 'loading'],
    ['CLUSTERDOWN Hash slot not served', 'ERR_STORE_UNAVAILABLE', 'later', 'slots'],
    ['MOVED 3999 127.0.0.1:6381', 'ERR_CONFIG_INVALID', 'later', 'cluster'],
    ['ERR max number of clients reached', 'ERR_STORE_UNAVAILABLE', 'later', 'maxclients'],
    ['ERR DB index is out of range', 'ERR_CONFIG_INVALID', 'later', 'db'],
    ['ERR something new', 'ERR_STORE_INTERNAL', 'later', 'something new'],
    ['Connection is closed.', 'ERR_STORE_UNAVAILABLE', 'later', 'closed'],
    [
      'Too many Cluster redirections. Last error: Error: Connection is closed.',
      'ERR_STORE_UNAVAILABLE',
      'later',
      'closed',
    ],
    ['Too many Cluster redirections. Last error: ReplyError: MOVED 1 h:2', 'ERR_STORE_UNAVAILABLE', 'later', 'node'],
    ['Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN x', 'ERR_STORE_UNAVAILABLE', 'later', 'slots'],
  ] as const) {
    const error = explain(message);
    assert.deepEqual([error.code, error.retry], [code, retry], message);
    assert.ok(error.message.startsWith('h:1: ') && error.message.includes(part), error.message);
  }
});

test('F33 what the system answers becomes "later" or "never", with a remedy', () => {
  for (const [errno, code, part] of [
    ['ECONNREFUSED', 'ERR_STORE_UNAVAILABLE', 'running'],
    ['EHOSTUNREACH', 'ERR_STORE_UNAVAILABLE', 'EHOSTUNREACH'],
    ['ENOTFOUND', 'ERR_STORE_UNAVAILABLE', 'name'],
    ['EACCES', 'ERR_STORE_DENIED', 'unixsocketperm'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ERR_STORE_DENIED', 'set ca'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_STORE_DENIED', 'set ca'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_STORE_DENIED', 'servername'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_STORE_DENIED', 'redis://'],
  ] as const) {
    const error = explain('text of the system', errno);
    assert.equal(error.code, code, errno);
    assert.ok(error.message.includes(part), error.message);
  }
});

test('F34 what a server quotes of a command is not passed on', () => {
  const record = 'ab'.repeat(60);
  const texts = [
    `ERR cannot do this, with args beginning with: swordfish it's ${record}`,
    `ERR unknown command 'set', with args beginning with: 'stunmesh:x' 'swordfish' '${record}'`,
    `ERR something about 'swordfish' and ${record}`,
    `SOMETHING "swordfish" ${record}`,
  ];
  for (const text of texts) {
    const reply = Object.assign(new Error(text), { command: { name: 'auth', args: ['u', 'swordfish'] } });
    const error = redisError(reply, 'h:1', 'p:');
    assert.doesNotMatch(`${error.message}${error.stack}${JSON.stringify(error)}`, /swordfish|abab/);
    assert.equal(error.cause, undefined);
  }
});

test('a lost connection is told from an answer', () => {
  assert.ok(isLost(new Error('Connection is closed.')));
  assert.ok(isLost(new Error("Stream isn't writeable and enableOfflineQueue options is false")));
  assert.ok(isLost(Object.assign(new Error('read'), { code: 'ECONNRESET' })));
  assert.ok(!isLost(new Error('OOM command not allowed')));
  assert.ok(!isLost(explain('Connection is closed.')));
});
