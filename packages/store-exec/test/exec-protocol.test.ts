import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, isStunmeshError } from '@stunmesh/core/api';
import { execProtocol, parseAnswerObject } from '#src/exec-protocol.js';
import { firstJsonObject } from '#src/first-json.js';
import { shellProtocol } from '#src/shell-protocol.js';
import { failure, free, KEY, plugin, VALUE } from './fixture.js';

const get = { action: 'get', key: KEY } as const;
const set = { action: 'set', key: KEY, value: VALUE } as const;
const ended = (stdout: string, exitCode = 0, stderr = '') => ({ exitCode, stdout, stderr });

test('a request is one JSON object and a newline; get has no value', () => {
  assert.equal(execProtocol.formatRequest(get), `{"action":"get","key":"${KEY}"}\n`);
  assert.equal(execProtocol.formatRequest(set), `{"action":"set","key":"${KEY}","value":"${VALUE}"}\n`);
});

test('a shell request is lines of assignments', () => {
  assert.equal(shellProtocol.formatRequest(get), `STUNMESH_ACTION=get\nSTUNMESH_KEY=${KEY}\n`);
  assert.equal(shellProtocol.formatRequest(set), `STUNMESH_ACTION=set\nSTUNMESH_KEY=${KEY}\nSTUNMESH_VALUE=${VALUE}\n`);
});

test('the child gets exactly that, and then the end of its input', async (t) => {
  const store = await plugin(t, 'exec', `printf '{"success":true,"value":"%s"}' "$(od -An -v -tx1 | tr -d ' \\n')"`);
  const sent = Buffer.from((await store.get(KEY, free)) ?? '', 'hex').toString();
  assert.equal(sent, `{"action":"get","key":"${KEY}"}\n`);
});

test('the first JSON object counts: what follows, unknown members and letter case do not matter', () => {
  const value = (stdout: string) => execProtocol.parseAnswer(ended(stdout), get);
  assert.equal(value('{"success":true,"value":"ab"}'), 'ab');
  assert.equal(value('\n {"success":true,"value":"ab"} trailing {garbage'), 'ab');
  assert.equal(value('{"success":true,"value":"ab"}{"success":false}'), 'ab');
  assert.equal(value('{"Success":true,"VALUE":"ab","extra":{"a":[1,"}"]}}'), 'ab');
  assert.equal(value('{"error":"{ \\" }","success":true,"value":"ab","note":"\\\\"}'), 'ab');
});

test('F33 an empty value is an absent record; a failure is an error to retry', () => {
  for (const answer of ['{"success":true,"value":""}', '{"success":true}', '{"success":true,"value":null}'])
    assert.equal(execProtocol.parseAnswer(ended(answer), get), undefined);
  assert.equal(execProtocol.parseAnswer(ended('{"success":true,"value":"ignored"}'), set), undefined);
  assert.equal(shellProtocol.parseAnswer(ended(' \n'), get), undefined);
  assert.equal(shellProtocol.parseAnswer(ended(' ab \n'), get), 'ab');
  assert.equal(shellProtocol.parseAnswer(ended('ignored'), set), undefined);
  for (const answer of ['{"success":false,"error":"not found"}', '{}', '{"value":"ab"}', '{"success":null}']) {
    assert.throws(
      () => execProtocol.parseAnswer(ended(answer), get),
      (error: unknown) => isStunmeshError(error) && error.code === 'ERR_EXEC_FAILED' && error.retry === 'later',
    );
  }
});

test('an exit status other than 0 is an error even with success true, and says what the plugin said', () => {
  const message = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      assert.ok(hasCode(error, 'ERR_EXEC_FAILED'));
      return (error as Error).message;
    }
    return assert.fail('accepted');
  };
  assert.match(
    message(() => execProtocol.parseAnswer(ended('{"success":true,"value":"ab"}', 3, 'oh no'), get)),
    /status 3: oh no/,
  );
  assert.match(
    message(() => execProtocol.parseAnswer(ended('{"success":false,"error":"bad token"}', 1), get)),
    /status 1: bad token/,
  );
  assert.match(
    message(() => execProtocol.parseAnswer(ended('', 127, ''), get)),
    /status 127 \(.*missing\): without a word/,
  );
  assert.match(
    message(() => execProtocol.parseAnswer({ endedBy: 'SIGSEGV', stdout: '', stderr: '' }, get)),
    /ended by SIGSEGV/,
  );
  assert.match(
    message(() => shellProtocol.parseAnswer(ended('ab', 2, 'no\nway\n'), get)),
    /status 2: no way/,
  );
});

test('what is no JSON object, or has members of another type, is an error that quotes none of it', () => {
  for (const text of [
    '',
    ' ',
    'hello',
    '[1]',
    '"x"',
    'true',
    '{"success":tru',
    '{"success":true',
    '{success:true}',
    '}{',
  ])
    assert.throws(() => parseAnswerObject(text), { code: 'ERR_EXEC_OUTPUT' }, text);
  for (const text of [`{"success":"${VALUE}"}`, `{"success":true,"value":{"${VALUE}":1}}`, `${VALUE}`])
    assert.throws(
      () => parseAnswerObject(text),
      (error: unknown) => hasCode(error, 'ERR_EXEC_OUTPUT') && !(error as Error).message.includes(VALUE.slice(0, 16)),
    );
});

test('whatever is cut off or damaged gives a value or a typed error', () => {
  const whole = '{"success":true,"value":"ab\\"\\u0041","error":"","x":[{"y":"]}"}]} tail';
  for (let cut = 0; cut <= whole.length; cut += 1) {
    for (const text of [
      whole.slice(0, cut),
      whole.slice(cut),
      `${whole.slice(0, cut)}\u0000{${whole.slice(cut + 1)}`,
    ]) {
      try {
        const answer = parseAnswerObject(text);
        assert.equal(typeof answer.value, 'string');
      } catch (error) {
        assert.ok(hasCode(error, 'ERR_EXEC_OUTPUT'), String(error));
      }
    }
  }
  assert.equal(firstJsonObject('{'.repeat(60_000)), undefined);
  const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
  assert.deepEqual(parseAnswerObject(deep), { success: false, value: '', error: '' });
});

test('a real plugin of each kind fails with its own words', async (t) => {
  const exec = await plugin(t, 'exec', `echo '{"success":false,"error":"no such zone"}'`);
  assert.match(
    (await failure(exec.get(KEY, free))).message,
    /plugin: reports a failure: no such zone; or the peer has written nothing yet/,
  );
  const shell = await plugin(t, 'shell', 'echo "no such zone" >&2; exit 4');
  assert.match((await failure(shell.set(KEY, VALUE, free))).message, /plugin: exited with status 4: no such zone$/);
});
