/** Files of up to 4 MiB that nobody writes by hand: read, or refused by a short message, in a time that grows with their length (F76). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { failure, load, processorMs, temporaryFolder } from './fixtures.js';

const MAIN = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
/**
 * In times of what 2,000 good peers take: a machine that is busy, or that measures coverage, is as much slower there. What grows
 * with the length takes 2 at most; what grew with its square took 15 and more.
 */
const MOST_TIMES = 6;
const MOST_LINES = 102;

const HEAD = 'plugins: { f: { type: builtin, name: file, path: /x } }\n';
const key = (n: number) => Buffer.from(String(n).padStart(32, '0')).toString('base64');
const times = (count: number, line: (n: number) => string) => Array.from({ length: count }, (_, n) => line(n)).join('');
const peers = (count: number, line: (n: number) => string) =>
  `${HEAD}interfaces:\n  wg0:\n    peers:\n${times(count, line)}`;

const goodPeers = (count: number) => peers(count, (n) => `      p${n}: { public_key: "${key(n)}", plugin: f }\n`);

/** One of each kind is as long as anything that is not refused for its number of words; one has too many. */
const FILES: Readonly<Record<string, string>> = {
  '60,000 bad peers, which are too many words': peers(60_000, (n) => `      p${n}: { public_key: "x", plugin: f }\n`),
  '4,000 bad peers': peers(4_000, (n) => `      p${n}: { public_key: "x", plugin: f }\n`),
  '4,000 duplicate keys': peers(4_000, (n) => `      p: { public_key: "${key(n)}", plugin: f }\n`),
  '12,000 short duplicate keys': `${HEAD}interfaces:\n${'  wg0: {}\n'.repeat(12_000)}`,
  '4,000 peers with one key': peers(4_000, (n) => `      p${n}: { public_key: "${key(1)}", plugin: f }\n`),
  '12,000 merges': `${HEAD}a: &a {x: 1}\nb:\n${' <<: *a\n'.repeat(12_000)}`,
  'merges of a large mapping': `${HEAD}a: &a {${times(5_000, (n) => `k${n}: 1,`)}}\nb:\n  <<: [${'*a,'.repeat(10_000)}]\n`,
  '2,500 references to nothing': `plugins:\n${times(2_500, (n) => `  p${n}: {type: exec, command: x}\n`)}interfaces:\n  wg0:\n    peers:\n${times(2_500, (n) => `      p${n}: { public_key: "${key(n)}", plugin: q${n} }\n`)}`,
  '12,000 unknown keys': HEAD + times(12_000, (n) => `interfacez${n}: 1\n`),
  '15,000 list items': `${HEAD}stun:\n  addresses:\n${'   - a\n'.repeat(15_000)}`,
  '15,000 mistakes': `${HEAD}${'@\n'.repeat(15_000)}`,
  '15,000 brackets': `${HEAD}${']\n'.repeat(15_000)}`,
  'a million directives': '%a\n'.repeat(1_000_000),
  '30,000 documents': '---\n'.repeat(30_000),
  'a million commas': `${HEAD}stun: {addresses: "${'a,'.repeat(1_000_000)}"}\n`,
  'a value of three million characters': `${HEAD}stun: {addresses: ["${'x'.repeat(3_000_000)}"]}\n`,
  'a key of three million characters': `${HEAD}${'x'.repeat(3_000_000)}: 1\n`,
};

let unitMs: number | undefined;
async function measureUnit(t: TestContext): Promise<number> {
  const before = processorMs();
  const { config } = await load(t, goodPeers(2_000));
  assert.equal(config.interfaces.get('wg0')?.peers.size, 2_000);
  return processorMs() - before;
}

/** Fails where the work takes more processor time than a file can need. */
async function quickly<T>(t: TestContext, work: () => Promise<T>): Promise<T> {
  unitMs ??= await measureUnit(t);
  const before = processorMs();
  const result = await work();
  const times = (processorMs() - before) / unitMs;
  assert.ok(times < MOST_TIMES, `${times.toFixed(1)} times what 2,000 peers take (${Math.round(unitMs)} ms)`);
  return result;
}

for (const [name, text] of Object.entries(FILES))
  test(`F40 and F76 ${name}: refused in a moment, by a message that a person can read`, async (t) => {
    const { code, lines } = await quickly(t, () => failure(t, text));
    assert.match(code, /^ERR_CONFIG_(SYNTAX|INVALID)$/, lines[0]);
    assert.ok(lines.length <= MOST_LINES, `${lines.length} lines`);
    assert.ok(lines.every((line) => line.length < 1_200));
    assert.equal(name.includes('too many'), /^\d+:1: more than 400000 words/.test(lines[0] ?? ''), lines[0]);
  });

for (const [name, text, count] of [
  ['300,000 blank lines', `${HEAD}${'\n'.repeat(300_000)}interfaces: {}\n`, undefined],
  ['20,000 flow keys', `${HEAD}interfaces: {${times(20_000, (n) => `${n.toString(36)},`)}}\n`, undefined],
  ['10,000 peers', goodPeers(10_000), 10_000],
] as const)
  test(`F76 ${name}: read in a moment`, async (t) => {
    const { config } = await quickly(t, () => load(t, text));
    assert.equal(config.interfaces.get('wg0')?.peers.size, count);
  });

test('what is no UTF-8 text is told with its line and column', async (t) => {
  for (const [bytes, place] of [
    [Buffer.from('a: 1\nnäme: ö\nb: caf\xe9\n', 'latin1'), '2:2'],
    [Buffer.concat([Buffer.from('# Zoë 🦊\nb: "'), Buffer.from([0xff]), Buffer.from('"\n')]), '2:5'],
    [Buffer.from('\ufeffstun: {}\n', 'utf16le'), '1:1'],
    [Buffer.concat([Buffer.from('x: '.repeat(100_000)), Buffer.from([0xe2, 0x82])]), '1:300001'],
  ] as const)
    assert.deepEqual((await failure(t, bytes)).lines, [`${place}: not UTF-8 text; save it as UTF-8`]);
});

test('a message that is longer than a pipe holds arrives whole, however slowly it is read', async (t) => {
  const file = join(await temporaryFolder(t), 'c.yaml');
  const name = 'x'.repeat(800);
  await writeFile(
    file,
    peers(200, (n) => `      ${name}${n}: { public_key: "x", plugin: f }\n`),
  );
  const ask = (after: string) =>
    spawnSync('sh', ['-c', `"$0" "$1" config check "$2" 2>&1 ${after}`, process.execPath, MAIN, file], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    }).stdout;
  const whole = ask('');
  assert.ok(whole.length > 70_000, `${whole.length}`);
  assert.equal(ask('| { sleep 0.5; cat; }'), whole);
});
