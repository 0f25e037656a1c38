import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSyntaxError } from '#src/config/syntax.js';
import { failure, KEY_A, processorMs } from './fixtures.js';

/** What is written, and where and how (a part of) the complaint about it. */
const BROKEN: readonly (readonly [kind: string, text: string, place: string, says: RegExp])[] = [
  ['a tab', 'log:\n\tlevel: info\n', '2:1', /a tab/],
  ['a quote that is not closed', 'capture: "linux\nrenew: true\n', '3:1', /closing quote/],
  [
    'a bracket that is not closed',
    'stun:\n  addresses: [a.b:1\nrenew: true\n',
    '',
    /closing quote or bracket|closing bracket|indentation/,
  ],
  ['a colon inside a value', 'run_dir: a: b\n', '1:10', /quotes/],
  ['wrong indentation', 'log:\n  level: info\n format: json\n', '3:', /indentation|same column/],
  ['a key without colon', 'log:\n  level info\n  format: json\n', '2:', /colon/],
  ['a line without colon at the end', 'renew: true\ncapture\n', '2:', /colon/],
  ['two documents', 'renew: true\n---\nrenew: false\n', '2:1', /second document/],
  ['a reserved character', 'capture: @linux\n', '1:10', /cannot begin with/],
  ['an alias to nothing', 'capture: *linux\n', '1:10', /alias/],
  ['an alias inside what it names', 'plugins: &p\n  x: *p\n', '2:6', /alias/],
  ['an unknown escape', 'capture: "\\d"\n', '1:', /escape/],
  ['a list as a key', '? [a]\n: b\n', '1:3', /key must be/],
  ['a merge key of a text', 'plugins:\n  <<: x\n', '2:7', /merge key/],
  ['a bare bracket', '}', '1:1', /unexpected/],
];

for (const [kind, text, place, says] of BROKEN)
  test(`F40 ${kind} is told with line and column`, async (t) => {
    const { code, lines } = await failure(t, text);
    assert.equal(code, 'ERR_CONFIG_SYNTAX');
    const line = lines.find((candidate) => says.test(candidate)) ?? lines.join('\n');
    assert.match(line, says);
    assert.ok(line.startsWith(place), line);
    for (const each of lines) assert.match(each, /^\d+:\d+: \S/);
  });

test('several syntax errors are told at once', async (t) => {
  const { lines } = await failure(t, 'run_dir: a: b\nstate_dir: @x\n');
  assert.equal(lines.length >= 2, true, lines.join('\n'));
});

test('what is no UTF-8 text is refused', async (t) => {
  const { code, lines } = await failure(t, Uint8Array.from([0x61, 0x3a, 0x20, 0xff, 0xfe]));
  assert.equal(code, 'ERR_CONFIG_SYNTAX');
  assert.deepEqual(lines, ['1:4: not UTF-8 text; save it as UTF-8']);
});

test('deep nesting, alias bombs and long lines end soon, as errors', async (t) => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i += 1) {
    const [name, of] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
    bomb.push(`${name}: &${name} [${`*${of}, `.repeat(9)}*${of}]`);
  }
  const hard: readonly (readonly [string, string])[] = [
    ['ERR_CONFIG_SYNTAX', bomb.join('\n')],
    ['ERR_CONFIG_SYNTAX', '['.repeat(50_000)],
    ['ERR_CONFIG_SYNTAX', `${'['.repeat(3_000)}${']'.repeat(3_000)}`],
    ['ERR_CONFIG_SYNTAX', `${'{a: '.repeat(100)}1${'}'.repeat(100)}`],
    ['ERR_CONFIG_SYNTAX', '- '.repeat(20_000)],
    ['ERR_CONFIG_INVALID', `x: "${'y'.repeat(1_000_000)}"`],
    ['ERR_CONFIG_INVALID', `${'k'.repeat(900)}: 1`],
    ['ERR_CONFIG_INVALID', Array.from({ length: 2_000 }, (_, i) => `k${i}: ${KEY_A}`).join('\n')],
  ];
  for (const [code, text] of hard) {
    const start = processorMs();
    assert.equal((await failure(t, text)).code, code, text.slice(0, 40));
    assert.ok(processorMs() - start < 5_000, `slow: ${text.slice(0, 40)}`);
  }
});

test('every error code of the YAML parser has a text of ours', () => {
  for (const code of [
    'ALIAS_PROPS',
    'BAD_ALIAS',
    'BAD_COLLECTION_TYPE',
    'BAD_DIRECTIVE',
    'BAD_DQ_ESCAPE',
    'BAD_INDENT',
    'BAD_PROP_ORDER',
    'BAD_SCALAR_START',
    'BLOCK_AS_IMPLICIT_KEY',
    'BLOCK_IN_FLOW',
    'KEY_OVER_1024_CHARS',
    'MISSING_CHAR',
    'MULTILINE_IMPLICIT_KEY',
    'MULTIPLE_ANCHORS',
    'MULTIPLE_DOCS',
    'MULTIPLE_TAGS',
    'RESOURCE_EXHAUSTION',
    'TAB_AS_INDENT',
    'TAG_RESOLVE_FAILED',
    'UNEXPECTED_TOKEN',
  ])
    assert.notEqual(describeSyntaxError(code), 'not valid YAML', code);
  assert.equal(describeSyntaxError('toString'), 'not valid YAML');
});
