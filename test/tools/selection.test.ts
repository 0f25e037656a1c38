/** How `npm test` reads its command line, and what it offers where nothing matches; the runner itself is run as a program. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../architecture/source.js';

interface Selecting {
  parseSelection(args: readonly string[]): { readonly parts: readonly string[]; readonly name?: RegExp } | string;
  matches(source: string, part: string): boolean;
  near(text: string, candidates: readonly string[]): readonly string[];
  testNames(text: string): readonly string[];
}
const { parseSelection, matches, near, testNames } = (await import(
  join(ROOT, 'test/tools/selection.mjs')
)) as Selecting;

test('parts of paths and a name are told apart, and what is neither is refused', () => {
  assert.deepEqual(parseSelection(['record', 'unit']), { parts: ['record', 'unit'], name: undefined });
  assert.deepEqual(parseSelection(['record', '--name', 'F19 a+b']), { parts: ['record'], name: /F19 a\+b/i });
  assert.deepEqual(parseSelection(['--name=/^F19\\b/']), { parts: [], name: /^F19\b/i });
  for (const [args, words] of [
    [['--name'], "part of a test's name"],
    [['--name', '/(/'], 'Unterminated group'],
    [['--watch'], 'there is only --name'],
  ] as const)
    assert.ok(String(parseSelection(args)).includes(words), String(parseSelection(args)));
});

test('unit and e2e part the tests, anything else is a part of the path', () => {
  assert.ok(matches('packages/core/test/record/record.test.ts', 'unit'));
  assert.ok(matches('test/vm/kernel-wireguard.test.ts', 'e2e'));
  assert.ok(!matches('test/e2e/heal/kills.test.ts', 'unit'));
  assert.ok(matches('test/e2e/heal/kills.test.ts', 'heal/k'));
});

test('near comes what differs in a letter, is cut short, or lies elsewhere', () => {
  const paths = [
    'packages/core/test/record/record.test.ts',
    'test/e2e/connect/full-tunnel.test.ts',
    'test/docs.test.ts',
  ];
  assert.equal(near('record/recrod', paths)[0], paths[0]);
  assert.equal(near('e2e/full-tunnel', paths)[0], paths[1]);
  assert.equal(near('tunn', paths)[0], paths[1]);
});

test('names of tests are found in a source', () => {
  const text = "test('one', () => {}); labTest(\"two\", {}); describe(`three`, () => { it('fo\\'ur', () => {}); });";
  assert.deepEqual(testNames(text), ['one', 'two', 'three', "fo\\'ur"]);
});

test('a part that is in no path ends the run at once, with near ones and status 1', async () => {
  const { status, lines } = await new Promise<{ status: unknown; lines: string[] }>((resolve) => {
    execFile(process.execPath, [join(ROOT, 'test/tools/test.mjs'), 'record/recrod'], (error, output) =>
      resolve({ status: error?.code, lines: output.trimEnd().split('\n') }),
    );
  });
  assert.equal(status, 1);
  assert.match(lines[0] ?? '', /no test file has "record\/recrod" in its path/);
  assert.ok(lines.some((line) => line.trim() === 'packages/core/test/record/record.test.ts'));
  assert.equal(lines.at(-1), '0 passed, 0 failed, 0 skipped');
});
