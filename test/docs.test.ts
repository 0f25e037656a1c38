/** The documentation holds what it promises: its configuration is valid, its links lead somewhere, its scripts exist. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pages } from './architecture/pages.js';
import { ROOT } from './architecture/source.js';

const all = pages();

test('links in the documentation lead to files that exist', () => {
  const broken = all.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !existsSync(join(ROOT, dirname(path), link)))
      .map((link) => `${path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test('npm scripts that the documentation names exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const missing = all.flatMap(({ path, text }) =>
    [...text.matchAll(/npm run ([\w:-]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => scripts[name] === undefined)
      .map((name) => `${path}: npm run ${name}`),
  );
  assert.deepEqual(missing, []);
});

test("the README's configuration is valid as it stands", () => {
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(all[0]?.text ?? '') ?? [];
  assert.ok(yaml, 'README.md has no yaml');
  const folder = mkdtempSync(join(tmpdir(), 'stunmesh-docs-'));
  try {
    const file = join(folder, 'config.yaml');
    writeFileSync(file, yaml);
    const command = [join(ROOT, 'packages/core/dist/cli/main.js'), 'config', 'check', file];
    assert.match(
      execFileSync(process.execPath, command, { encoding: 'utf8' }),
      /: valid \(1 interface, 1 peer, 1 plugin\)/,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
