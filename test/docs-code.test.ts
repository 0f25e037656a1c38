/** Code blocks of the documentation: configurations are valid, JSON and YAML can be read, commands and their options exist. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { pages } from './architecture/pages.js';
import { ROOT } from './architecture/source.js';
import { callHere } from './call-here.js';

interface Block {
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = pages().flatMap(({ path, text }) =>
  [...text.matchAll(/^( *)```([^\n]*)\n([\s\S]*?)^ *```$/gm)].map(
    ([, indent = '', language = '', body = ''], index) => ({
      place: `${path}, block ${index + 1}`,
      language: language.split(' ')[0] ?? '',
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  ),
);
const { parseAllDocuments } = createRequire(join(ROOT, 'packages/core/package.json'))('yaml') as {
  parseAllDocuments(text: string): readonly { readonly errors: readonly Error[] }[];
};

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'stunmesh-docs-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('JSON and YAML in the documentation can be read', () => {
  const wrong = blocks.flatMap(({ place, language, text }) => {
    if (language === 'json') {
      try {
        JSON.parse(text);
      } catch (error) {
        return [`${place}: ${String(error)}`];
      }
    }
    return language === 'yaml'
      ? parseAllDocuments(text).flatMap(({ errors }) => errors.map((e) => `${place}: ${e}`))
      : [];
  });
  assert.deepEqual(wrong, []);
});

test('whole configurations in the documentation are valid', async () => {
  const whole = blocks.filter(
    ({ language, text }) => language === 'yaml' && /^interfaces:/m.test(text) && /^plugins:/m.test(text),
  );
  assert.ok(whole.length >= 1);
  for (const { place, text } of whole) {
    const file = join(folder, 'config.yaml');
    writeFileSync(file, text, { mode: 0o600 });
    const { code, stdout, stderr } = await callHere(['config', 'check', file], folder);
    assert.equal(code, 0, `${place}\n${stdout}${stderr}`);
  }
});

interface Command {
  readonly commands: readonly Command[];
  readonly options: readonly { readonly long?: string | null; readonly short?: string | null }[];
  name(): string;
}

test('stunmesh commands and options in the documentation exist', async () => {
  const file = pathToFileURL(join(ROOT, 'packages/core/dist/cli/program.js')).href;
  const { createProgram } = (await import(file)) as { createProgram(context: object): Command };
  const nothing = () => undefined;
  const program = createProgram({ env: {}, cwd: '/', colour: false, stdout: nothing, stderr: nothing });
  const lines = blocks.flatMap(({ place, language, text }) =>
    ['', 'sh', 'console'].includes(language)
      ? [...text.matchAll(/^(?:[#$] )?(?:sudo )?stunmesh((?: [^#\n|>;&]*)?)(?=$|[#\n|>;&])/gm)].map((match) => ({
          place,
          words: (match[1] ?? '').trim(),
        }))
      : [],
  );
  assert.ok(lines.length >= 20, `${lines.length} lines`);
  const wrong = lines.flatMap(({ place, words }) => {
    let at = program;
    const problems: string[] = [];
    for (const word of words.split(/\s+/)) {
      if (word === '--') break;
      const next = at.commands.find((command) => command.name() === word);
      if (next) at = next;
      const [flag = ''] = word.split('=');
      const known = ['--help', '-h', ...at.options.flatMap(({ long, short }) => [long, short])];
      if (/^--?[a-z]/.test(flag) && !known.includes(flag)) problems.push(`${place}: stunmesh ${words}: ${flag}`);
    }
    return problems;
  });
  assert.deepEqual(wrong, []);
});

test('shell blocks of the documentation can be read by sh', () => {
  const wrong = blocks.flatMap(({ place, language, text }) => {
    if (language !== 'sh') return [];
    try {
      execFileSync('sh', ['-n'], { input: text, stdio: ['pipe', 'ignore', 'pipe'] });
      return [];
    } catch (error) {
      return [`${place}: ${String((error as { stderr?: Buffer }).stderr)}`];
    }
  });
  assert.deepEqual(wrong, []);
});
