/** What the log shows, in both formats, and what it never shows (F34). */
import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SecretKey, StunmeshError } from '#src/api/index.js';
import { isJournal } from '#src/telemetry/journal.js';
import { createLogger, describeError, type LoggerOptions } from '#src/telemetry/logger.js';

function open(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    level: 'info',
    format: 'console',
    colour: false,
    write: (line) => lines.push(line),
    ...options,
  });
  return { logger, lines, text: () => lines.join('') };
}

const failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'store "main" is down');

test('a console line: time, level, device/peer, sentence, fields', () => {
  const { logger, lines } = open();
  logger.info({ device: 'wg0', peer: 'site-b', endpoint: '192.0.2.1:51820', rttMs: 3 }, 'connected');
  assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d INFO {2}wg0\/site-b connected endpoint=192\.0\.2\.1:51820 rttMs=3\n$/);
});

test('a console line of a failure ends in its sentence and code', () => {
  const { logger, lines } = open();
  logger.warn({ device: 'wg0', error: failure }, 'cannot publish');
  assert.match(lines[0] ?? '', /^\S+ WARN {2}wg0 cannot publish: store "main" is down \[ERR_STORE_UNAVAILABLE\]\n$/);
});

test('a JSON line is one object with level, time, msg and the fields', () => {
  const { logger, lines } = open({ format: 'json' });
  logger.child({ device: 'wg0' }).error({ error: failure }, 'cannot publish');
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.equal(lines[0]?.endsWith('\n'), true);
  assert.equal(line['msg'], 'cannot publish');
  assert.equal(line['device'], 'wg0');
  assert.deepEqual(line['error'], { code: 'ERR_STORE_UNAVAILABLE', message: 'store "main" is down' });
  assert.ok(Number.isFinite(Date.parse(String(line['time']))));
  assert.equal(line['pid'], undefined);
});

for (const format of ['console', 'json'] as const) {
  test(`no stack below debug, one at debug (${format})`, () => {
    for (const level of ['info', 'warn'] as const) {
      const quiet = open({ format, level });
      quiet.logger.warn({ error: failure }, 'x');
      quiet.logger.error({ error: new TypeError('oops') }, 'x');
      assert.doesNotMatch(quiet.text(), /at .*logger\.test/);
      assert.match(quiet.text(), /oops/);
    }
    const loud = open({ format, level: 'debug' });
    loud.logger.warn({ error: failure }, 'x');
    assert.match(loud.text(), /at .*logger\.test/);
  });

  test(`F34 whatever is handed in under a secret's name is not shown, nor is a secret key under any (${format})`, () => {
    const { logger, text } = open({ format });
    const key = new SecretKey(new Uint8Array(32).fill(7));
    const secret = 'hunter2-hunter2';
    for (const name of ['secretKey', 'privateKey', 'presharedKey', 'token', 'password', 'secret', 'value', 'sealed']) {
      logger.warn({ [name]: secret, nested: { [name]: secret, fine: 'fine' } }, 'x');
      logger.child({ [name]: secret }).warn({}, 'child');
    }
    logger.warn({ key, peers: [{ key }] }, 'x');
    const shown = text();
    assert.equal(shown.includes(secret), false, shown);
    for (const encoding of ['base64', 'hex'] as const) {
      assert.equal(shown.includes(Buffer.from(key.expose()).toString(encoding)), false);
    }
    assert.ok(shown.includes('[secret]') && shown.includes('fine'));
  });
}

test('levels: below the chosen one nothing is written, silent writes nothing', () => {
  const { logger, lines } = open({ level: 'warn' });
  logger.info({}, 'a');
  logger.debug({}, 'b');
  logger.trace({}, 'c');
  assert.equal(lines.length, 0);
  logger.warn({}, 'd');
  assert.equal(lines.length, 1);
  const silent = open({ level: 'silent' });
  silent.logger.error({}, 'e');
  assert.equal(silent.lines.length, 0);
});

test('colour only where asked for', () => {
  const plain = open();
  const coloured = open({ colour: true });
  for (const { logger } of [plain, coloured]) logger.warn({ a: 1 }, 'x');
  assert.equal(plain.text().includes('\u001b'), false);
  assert.ok(coloured.text().includes('\u001b[33m'));
});

test('what is no error is described too, and a foreign one counts as internal', () => {
  assert.deepEqual(describeError('gone'), { message: 'gone' });
  assert.deepEqual(describeError(new Error('odd')), { code: 'ERR_INTERNAL', message: 'odd' });
  assert.deepEqual(describeError(Object.assign(new Error('no file'), { code: 'ENOENT' })), {
    code: 'ENOENT',
    message: 'no file',
  });
  assert.equal(typeof describeError(failure, true)['stack'], 'string');
});

test('what comes with line breaks is set in: it cannot pass for a line of ours', () => {
  const { logger, lines } = open();
  logger.warn(
    { device: 'wg0', error: new StunmeshError('ERR_STORE_REJECTED', 'first\n12:00:00 INFO forged'), note: 'a\rb' },
    'x',
  );
  const [first, ...more] = (lines[0] ?? '').trimEnd().split(/[\r\n]/);
  assert.match(first ?? '', /^\d\d:/);
  assert.equal(more.length, 2);
  for (const line of more) assert.match(line, /^ {2}/);
});

for (const format of ['console', 'json'] as const)
  test(`what cannot be seen is written out: controls, and characters that turn the text around them (${format})`, () => {
    const { logger, text } = open({ format });
    const sly = 'a\u202eb\u2066c\u200bd\u001b[2Je\u0007f\u2028g\u{e0041}';
    logger.warn({ peer: sly, note: sly, error: new StunmeshError('ERR_STORE_REJECTED', sly) }, sly);
    assert.doesNotMatch(text().replaceAll('\n', ''), /[\p{Cf}\p{Zl}\p{Cc}]/u);
    assert.match(text(), /a\\u202eb\\u2066c\\u200bd\\u001b\[2Je\\u0007f\\u2028g\\udb40\\udc41/);
    if (format === 'json') assert.equal((JSON.parse(text()) as { msg: string }).msg, sly);
    logger.info({ peer: 'Zoë 東京 🦊' }, 'x');
    assert.match(text(), /Zoë 東京 🦊/);
  });

test('what ends because we closed it, as at a reload, is for debugging', () => {
  const closed = new StunmeshError('ERR_CLOSED', 'the store is closed');
  const { logger, lines } = open();
  for (const level of ['warn', 'error'] as const) logger.child({ device: 'wg0' })[level]({ error: closed }, 'x');
  assert.deepEqual(lines, []);
  const loud = open({ level: 'debug' });
  loud.logger.warn({ error: closed }, 'x');
  assert.match(loud.text(), /DEBUG x: the store is closed/);
});

test('in the journal each line begins with its syslog priority, and leaves time and level to the journal', () => {
  const { logger, lines } = open({ journal: true, level: 'trace' });
  for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const)
    logger[level]({ device: 'wg0', rttMs: 3 }, 'connected');
  assert.deepEqual(
    lines,
    [7, 7, 6, 4, 3].map((priority) => `<${priority}>wg0 connected rttMs=3\n`),
  );
  const { logger: one, lines: many } = open({ journal: true });
  one.warn({ error: new StunmeshError('ERR_STORE_REJECTED', 'first\nsecond\r\nthird') }, 'x');
  assert.deepEqual(many, ['<4>x: first\n<4>  second\n<4>  third [ERR_STORE_REJECTED]\n']);
  const json = open({ journal: true, format: 'json' });
  json.logger.info({}, 'x');
  assert.match(json.text(), /^\{/);
});

test('only the very stream that JOURNAL_STREAM names is the journal, not any that inherited the variable', async (t) => {
  const { dev, ino } = fstatSync(1, { bigint: true });
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, 1), true);
  const other = await openFile('/dev/null');
  t.after(() => other.close());
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, other.fd), false);
  for (const JOURNAL_STREAM of [undefined, '', '1', 'a:b', `${dev}:${ino + 1n}`])
    assert.equal(isJournal({ JOURNAL_STREAM }, 1), false, JOURNAL_STREAM);
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, 999_999), false);
});
