import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isStunmeshError } from '#src/api/errors.js';
import { coerce, toPlain } from '#src/config/coerce.js';
import { formatProblems } from '#src/config/explain.js';
import { checkRules } from '#src/config/rules.js';
import { CONFIG_SCHEMA } from '#src/config/schema.js';
import { parseSource, positionOf } from '#src/config/source.js';
import { validate } from '#src/config/validate.js';
import { failure, KEY_A, load, processorMs, readFixture } from './fixtures.js';

const KEYS = [
  'refresh_interval',
  'LOG',
  'level',
  'stun',
  'address',
  'addresses',
  'interfaces',
  'wg0',
  'peers',
  'a',
  'public_key',
  'plugin',
  'ping',
  'enabled',
  'target',
  'plugins',
  'type',
  'name',
  'command',
  'args',
  'env',
  'timeout',
  'proxy',
  '<<',
  '__proto__',
  'constructor',
  '1',
  '',
];
const SCALARS = [
  '1',
  '60',
  '5m',
  '0s',
  '-1',
  '1.5',
  'true',
  'no',
  'null',
  '~',
  '""',
  "'a,b'",
  'builtin',
  'exec',
  'opendht',
  'a.b:1',
  '[::1]:2',
  KEY_A,
  '.nan',
  '0x1f',
  '!!str 7',
  '&x 1',
  '*x',
  '!t y',
  '|\n  text',
  '"\\u0000"',
  '2001-01-01',
];

interface Node {
  readonly text: string;
}
const tree = fc.letrec<{ node: Node; map: Node; list: Node; scalar: Node }>((tie) => ({
  scalar: fc.oneof(fc.constantFrom(...SCALARS), fc.string({ maxLength: 12 })).map((text) => ({ text })),
  list: fc.array(tie('node'), { maxLength: 3 }).map((items) => ({ text: `[${items.map((i) => i.text).join(', ')}]` })),
  map: fc
    .array(fc.tuple(fc.constantFrom(...KEYS), tie('node')), { maxLength: 5 })
    .map((members) => ({ text: `{${members.map(([key, { text }]) => `${key}: ${text}`).join(', ')}}` })),
  node: fc.oneof({ maxDepth: 5 }, tie('scalar'), tie('map'), tie('map'), tie('list')),
}));

/** Lines of YAML in a random order of depths. */
const block = fc
  .array(fc.tuple(fc.nat({ max: 4 }), fc.constantFrom(...KEYS, '- x', '-', '?'), fc.constantFrom('', ...SCALARS)), {
    maxLength: 12,
  })
  .map((lines) => lines.map(([depth, key, value]) => `${'  '.repeat(depth)}${key}: ${value}`).join('\n'));

/** What loadConfig does but for files: always lines or a value. */
async function checkText(text: string): Promise<void> {
  const source = await parseSource(text);
  for (const { offset } of [...source.errors, ...source.warnings]) {
    const { line, column } = positionOf(source, offset);
    assert.ok(line >= 1 && column >= 1);
  }
  if (source.errors.length > 0) return;
  const raw = coerce(source.root, CONFIG_SCHEMA, () => {});
  const problems = [...(await validate(CONFIG_SCHEMA, raw)), ...checkRules(raw)];
  for (const line of formatProblems('c', source, problems)) assert.match(line, /^c:\d+:\d+: /);
  if (source.root) toPlain(source.root);
}

test('fuzz: any text is a configuration or an error with a code', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        block,
        tree.map.map(({ text }) => text),
        fc.string({ unit: 'binary' }),
      ),
      checkText,
    ),
    { numRuns: 1_000 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        block,
        tree.map.map(({ text }) => text),
      ),
      async (text) => {
        await load(t, text).catch((error: unknown) => assert.ok(isStunmeshError(error), String(error)));
      },
    ),
    { numRuns: 60 },
  );
});

test('fuzz: a good file with a piece cut out, doubled or replaced is a configuration or an error with a code', async (t) => {
  const good = await readFixture('full.yaml');
  const edit = fc.tuple(
    fc.nat({ max: good.length }),
    fc.nat({ max: 40 }),
    fc.oneof(fc.constant(''), fc.string({ maxLength: 6 }), fc.constantFrom(...SCALARS)),
  );
  await fc.assert(
    fc.asyncProperty(edit, async ([at, cut, put]) => checkText(good.slice(0, at) + put + good.slice(at + cut))),
    { numRuns: 400 },
  );
  await fc.assert(
    fc.asyncProperty(edit, async ([at, cut, put]) => {
      const { code } = await failure(t, good.slice(0, at) + put + good.slice(at + cut));
      assert.match(code, /^(?:none|ERR_CONFIG_SYNTAX|ERR_CONFIG_INVALID)$/);
    }),
    { numRuns: 60 },
  );
});

test('a file of 1,000 peers loads well under a second', async (t) => {
  const peers = Array.from({ length: 1_000 }, (_, i) => {
    const key = Buffer.alloc(32, 5)
      .fill(i % 256, 0, 1)
      .fill(i >> 8, 1, 2)
      .fill(7, 31)
      .toString('base64');
    return `      p${i}:\n        public_key: ${key}\n        plugin: f\n        ping: {enabled: true, target: 10.0.${i >> 8}.${i & 255}}\n`;
  });
  const text = `plugins: {f: {type: builtin, name: file}}\ninterfaces:\n  wg0:\n    peers:\n${peers.join('')}`;
  await load(t, 'renew: true');
  const start = processorMs();
  const { config } = await load(t, text);
  const took = processorMs() - start;
  t.diagnostic(`${Math.round(took)} ms of processor time`);
  assert.equal(config.interfaces.get('wg0')?.peers.size, 1_000);
  assert.ok(took < 1_500, `${took} ms`);
});
