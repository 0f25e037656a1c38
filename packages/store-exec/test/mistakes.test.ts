/** What authors of plugins get wrong is named for what it is, and quotes no record and no secret. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { oneLine } from '#src/one-line.js';
import { failure, free, KEY, open, plugin, script, VALUE } from './fixture.js';

const told = async (t: TestContext, type: 'exec' | 'shell', body: string): Promise<string> => {
  const { code, message } = await failure((await plugin(t, type, body)).get(KEY, free));
  return `${code} ${message}`;
};

test('log lines on stdout: before the answer, beside the value, in a session', async (t) => {
  assert.match(
    await told(t, 'exec', `echo connecting; echo '{"success":true,"value":"ab"}'`),
    /ERR_EXEC_OUTPUT .*something else before its answer.*stderr/,
  );
  assert.match(
    await told(t, 'shell', 'echo connecting; echo abcd'),
    /ERR_EXEC_OUTPUT .*more than one line.*belongs on stderr/,
  );
  assert.match(await told(t, 'shell', 'echo ab cd'), /ERR_EXEC_OUTPUT .*white space/);
  assert.match(await told(t, 'exec', `echo '{"success":true,"value":"ab cd"}'`), /ERR_EXEC_OUTPUT .*white space/);
});

test('Windows line ends: of the value, and of the script', async (t) => {
  assert.match(
    await told(t, 'exec', `printf %s '{"success":true,"value":"abcd\\r"}'`),
    /ERR_EXEC_OUTPUT .*ends in a carriage return/,
  );
  assert.equal(await (await plugin(t, 'shell', `printf 'abcd\\r\\n'`)).get(KEY, free), 'abcd');
  for (const first of ['#!/bin/sh\r\n', '#!/usr/bin/env sh\r\n']) {
    const store = await open(t, { type: 'shell', command: await script(t, `${first}echo abcd\r\n`) });
    const { code, message } = await failure(store.get(KEY, free));
    assert.ok(code === 'ERR_EXEC_SPAWN' || code === 'ERR_EXEC_FAILED', code);
    assert.match(message, /first line ends in a carriage return/);
  }
});

test('a missing interpreter or program: by its name, and what the child said of it', async (t) => {
  const run = async (text: string) => {
    const store = await open(t, { type: 'exec', command: await script(t, text) });
    return (await failure(store.get(KEY, free))).message;
  };
  assert.match(
    await run('#!/usr/bin/env python4\n'),
    /status 127 \(its interpreter python4 is not in PATH; install it\): .*python4/,
  );
  assert.match(await run('#!/no/such/perl -w\n'), /its interpreter \/no\/such\/perl is missing/);
  assert.match(
    await run('#!/bin/sh\nno-such-tool\n'),
    /status 127 \(a program that it uses, or its interpreter, is missing\): .*no-such-tool/,
  );
  assert.match(await run('#!/bin/sh\n/etc/passwd\n'), /status 126 \(.*may not be executed\): /);
});

test('F33 a failed get may mean that there is no record: said so, until the program has shown that it can tell', async (t) => {
  const both = /or the peer has written nothing yet: this program does not tell the two apart/;
  assert.match(await told(t, 'exec', `echo '{"success":false,"error":"not found"}'`), both);
  assert.match(await told(t, 'shell', 'exit 1'), both);
  for (const body of ['no-such-tool', 'kill -9 $$', 'echo garbage: exit 0'])
    assert.doesNotMatch(await told(t, 'exec', body), both);
  const set = await failure((await plugin(t, 'shell', 'exit 1')).set(KEY, VALUE, free));
  assert.doesNotMatch(set.message, both);
  const clear = await plugin(t, 'shell', '. /dev/stdin\ncase $STUNMESH_KEY in a*) exit 0;; esac\nexit 1');
  assert.match((await failure(clear.get('b'.repeat(40), free))).message, both);
  assert.equal(await clear.get(KEY, free), undefined);
  assert.doesNotMatch((await failure(clear.get('b'.repeat(40), free))).message, both);
});

test('F34 what looks like a credential in what a plugin wrote is replaced', () => {
  for (const [said, shown] of [
    ['cannot reach https://bob:hunter22@example.net/x', 'cannot reach https://[secret]@example.net/x'],
    ['curl -H "Authorization: Bearer abc.def-123456"', 'curl -H "Authorization: Bearer [secret]"'],
    ['API_TOKEN=abcdef123 refused', 'API_TOKEN=[secret] refused'],
    ["password: 'a b c', user x", 'password: [secret], user x'],
    ['{"api_key":"xyz","ok":1}', '{"api_key":[secret],"ok":1}'],
    ['the token has expired', 'the token has expired'],
    ['a\u202eb\u0007c', 'a b c'],
  ] as const)
    assert.equal(oneLine(said), shown);
});
