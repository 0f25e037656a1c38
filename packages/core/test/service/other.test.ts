/** The OpenRC script and the Dockerfile: their grammar and what they promise. Neither OpenRC nor an engine is here to run them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { read, run, SERVICE } from './programs.js';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

test('OpenRC: the script and its settings are shell, and have the parts that OpenRC looks for', async () => {
  for (const file of ['stunmesh', 'stunmesh.confd'])
    assert.deepEqual(await run('sh', ['-n', `${SERVICE}/openrc/${file}`]), { code: 0, text: '' });
  const script = read('openrc/stunmesh');
  assert.match(script, /^#!\/sbin\/openrc-run\n/);
  for (const part of ['depend', 'start_pre', 'reload', 'checkconfig'])
    assert.match(script, new RegExp(`^${part}\\(\\) \\{$`, 'm'));
  for (const setting of ['supervisor="supervise-daemon"', 'no_new_privs="yes"', 'umask="077"'])
    assert.ok(script.includes(`\n${setting}\n`), setting);
  assert.match(script, /--signal HUP/);
  // Every setting that the file of settings names is one that the script reads.
  for (const [, name] of read('openrc/stunmesh.confd').matchAll(/^#?(\w+)=/gm))
    assert.ok(script.includes(`\${${name}`), name);
});

/** Instructions with their arguments, continued lines joined, comments left out. */
function instructions(): readonly (readonly [string, string])[] {
  const text = read('docker/Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
      return [word, rest] as const;
    });
}

test('Dockerfile: known instructions, two stages, no compiler and no source in the last, the command in exec form', () => {
  const all = instructions();
  const known = ['FROM', 'RUN', 'WORKDIR', 'COPY', 'VOLUME', 'USER', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'];
  for (const [word, rest] of all) assert.ok(known.includes(word), `${word} ${rest}`);
  const stages = all.flatMap(([word], index) => (word === 'FROM' ? [index] : []));
  assert.equal(stages.length, 2);
  const bases = stages.map((index) => all[index]?.[1].split(' ')[0]);
  assert.deepEqual(new Set(bases).size, 1, 'the addon is built for the system that it runs on');
  for (const base of bases) assert.match(base ?? '', /^node:\d+-[a-z-]+$/);
  const last = all.slice(stages[1]);
  const text = last.map((line) => line.join(' ')).join('\n');
  assert.doesNotMatch(text, /gcc|COPY \. /);
  for (const [word, rest] of last) if (word === 'COPY') assert.match(rest, /^--from=build /);
  for (const [word, rest] of all) {
    if (word === 'ENTRYPOINT' || word === 'CMD') assert.ok(Array.isArray(JSON.parse(rest)), rest);
    if (word !== 'RUN' || !rest.includes('apt-get')) continue;
    for (const part of ['apt-get update', '-y --no-install-recommends', 'rm -rf /var/lib/apt/lists/*'])
      assert.ok(rest.includes(part), part);
  }
  for (const [, rest] of all) assert.doesNotMatch(rest, /\b(curl|wget|sudo|chmod 777|:latest)\b/);
});

test('Dockerfile: what it runs and names exists here', () => {
  const text = read('docker/Dockerfile');
  const [, script = ''] = /node (test\/tools\/\S+)/.exec(text) ?? [];
  assert.ok(existsSync(`${ROOT}/${script}`), script);
  const [, build = ''] = /@stunmesh\/(capture-linux\/native\/\S+)/.exec(text) ?? [];
  assert.ok(existsSync(`${ROOT}/packages/${build}`), build);
  const { packageManager } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { packageManager: string };
  assert.ok(text.includes(`npx -y ${packageManager} install --frozen-lockfile`), packageManager);
  const { bin } = JSON.parse(readFileSync(`${ROOT}/packages/core/package.json`, 'utf8')) as {
    bin: Record<string, string>;
  };
  assert.ok('stunmesh' in bin);
});
