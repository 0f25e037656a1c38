/** The house rules that a machine can check: who imports whom, who may touch what, how large files grow. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fieldRules } from './architecture/field-rules.js';
import { none, places } from './architecture/findings.js';
import { CONTROLLERS_USE, forbidden, partOf } from './architecture/layers.js';
import { packageNames, ROOT, type Source, sources, stripComments } from './architecture/source.js';

const src = sources(packageNames().map((name) => `packages/${name}/src`));
const core = src.filter(({ path }) => path.startsWith('packages/core/'));
const modules = src.filter(({ path }) => !path.startsWith('packages/core/'));
const tests = sources([...packageNames().map((name) => `packages/${name}/test`), 'test']);
const tools = sources(['test', 'packages'], ['.mjs']);

const E2E_ROOMS = 'lab connect paths heal doctor stores service packaging bsd portmap page'.split(' ');
const LINES_ALLOWED = 300;
const LINES_LIKED = 200;

function importsOf(files: readonly Source[], wanted: (specifier: string) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => wanted(specifier))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

/** Modules of Node that can do more than compute. */
function impureImports(files: readonly Source[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ specifier }) => specifier.startsWith('node:') && !/^node:(crypto|util|buffer|path)$/.test(specifier))
      // Of node:net the questions about text are pure.
      .filter(({ specifier, names }) => !(specifier === 'node:net' && names?.every((name) => /^isIP/.test(name))))
      .map(({ specifier }) => `${path} imports ${specifier}`),
  );
}

test('the checks see the sources: comments, strings and imports are told apart', () => {
  const { code, bare } = stripComments(`a('// no'); // setTimeout(\nconst r = /['/*]/; /* b */ c(\`x $${'{d}'} y\`);`);
  assert.match(code, /'\/\/ no'/);
  assert.doesNotMatch(code, /setTimeout|\/\* b/);
  assert.match(bare, /c\(\$\{d\}\)/);
  assert.ok(core.length > 10 && modules.length >= 3 && tests.length >= 1);
  const errors = core.find(({ path }) => path.endsWith('/api/errors.ts'));
  assert.ok(errors?.imports.some(({ target }) => target === 'packages/core/src/api/error-codes.ts'));
});

test('core: every import points down the layers', () => {
  const wrong = core.flatMap((file) =>
    file.imports.flatMap(({ target, specifier, typeOnly }) => {
      const [from, to] = [partOf(file.path), target && partOf(target)];
      const reason = from && to && forbidden(from, to, typeOnly);
      return reason ? [`${file.path} imports ${specifier}: ${reason}`] : [];
    }),
  );
  none(wrong, 'cli -> daemon -> host, controllers, … -> stun, record, … -> net -> api (docs/architecture.md)');
});

test('core: files at the top of src put the parts together, all else has a folder', () => {
  const top = core.filter(({ path }) => /^packages\/core\/src\/[^/]+$/.test(path)).map(({ path }) => path);
  none(
    top.filter((path) => !/\/version\.ts$/.test(path)),
    'give it the folder of its part',
  );
});

test('core imports no store and no capture module statically', () => {
  none(
    importsOf(core, (specifier) => /^@stunmesh\/(?!core\b)/.test(specifier)),
    'modules are loaded by name',
  );
});

test('modules import the published interfaces of core, nothing else of it', () => {
  const wrong = modules.flatMap((file) => {
    const allowed = [
      '@stunmesh/core/api',
      ...(file.path.startsWith('packages/capture-') ? ['@stunmesh/core/net', '@stunmesh/core/capture-kit'] : []),
    ];
    return importsOf([file], (specifier) => specifier.startsWith('@stunmesh/') && !allowed.includes(specifier));
  });
  none(wrong, 'store-*: @stunmesh/core/api; capture-*: also @stunmesh/core/net and @stunmesh/core/capture-kit');
  none(
    modules.flatMap((file) =>
      file.imports
        .filter(({ target }) => target && target.split('/')[1] !== file.path.split('/')[1])
        .map(({ specifier }) => `${file.path} imports ${specifier}`),
    ),
    'no path leaves the package',
  );
});

test('controllers see interfaces: no I/O of their own, values only from pure parts', () => {
  const controllers = core.filter(({ path }) => partOf(path) === 'controllers');
  none(impureImports(controllers), 'I/O is handed in');
  none(
    importsOf(controllers, (specifier) => /^[a-z@]/.test(specifier) && !specifier.startsWith('node:')),
    'packages are the business of other parts',
  );
  const values = controllers.flatMap((file) =>
    file.imports
      .filter(({ typeOnly, target }) => !typeOnly && target && !CONTROLLERS_USE.some((allowed) => allowed.test(target)))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
  none(values, 'what they need of other parts is handed in; import the type alone');
});

test("only wireguard/, store-exec, capture-bsd's supervisor and runtime/notify spawn processes", () => {
  const others = src.filter(
    ({ path }) =>
      partOf(path) !== 'wireguard' &&
      !path.startsWith('packages/store-exec/') &&
      path !== 'packages/capture-bsd/src/cap-source.ts' &&
      path !== 'packages/core/src/runtime/notify.ts' &&
      !path.startsWith('packages/core/src/testing/capture-lab/'),
  );
  none(
    importsOf(others, (specifier) => /^((node:)?child_process|execa|cross-spawn)$/.test(specifier)),
    'a process costs, hangs and leaks: four places know how to tame one',
  );
});

test('one file of a capture package loads native code, and no other file does', () => {
  const loads = /\b(dlopen|node-gyp-build|createRequire)\b|\.node['"`]/;
  const loaders = src.filter(({ code }) => loads.test(code)).map(({ path }) => path);
  for (const name of packageNames().filter((name) => name.startsWith('capture-'))) {
    const own = loaders.filter((path) => path.startsWith(`packages/${name}/`));
    assert.ok(own.length <= 1, `packages/${name}: ${own.join(', ')}`);
  }
  none(
    loaders.filter((path) => !path.startsWith('packages/capture-')),
    'native code belongs to capture packages',
  );
});

test('only runtime/system-clock touches timers', () => {
  const others = src.filter(({ path }) => path !== 'packages/core/src/runtime/system-clock.ts');
  none(
    places(others, /\b(setTimeout|setInterval|AbortSignal\.timeout|Atomics\.wait)\b/, 'bare'),
    'time comes from Clock',
  );
  none(
    importsOf(others, (specifier) => /^(node:)?timers(\/promises)?$/.test(specifier)),
    'time comes from Clock',
  );
});

test('F79 sources do not ask synchronously what a file is, which in Node 20 misleads the next import() after a socket or a FIFO', () => {
  const asking = /^(rm|rmSync|statSync|lstatSync|fstatSync)$/;
  // With bigint the answer does not stay where import() looks.
  const known = /^packages\/(store-exec\/src\/scratch-folder|core\/src\/telemetry\/journal)\.ts$/;
  none(
    src
      .filter(({ path }) => !known.test(path))
      .flatMap(({ path, imports }) => imports.flatMap(({ names }) => names ?? []).map((name) => [path, name] as const))
      .filter(([, name]) => asking.test(name))
      .map(([path, name]) => `${path} imports ${name}`),
    'unlink (core: runtime/remove-file), or stat of node:fs/promises',
  );
});

test('record, net, stun, paths and the codecs of portmap are pure: no I/O, no clock, no chance', () => {
  const pure = core.filter(
    ({ path }) =>
      ['record', 'net', 'stun', 'paths'].includes(partOf(path) ?? '') || path.includes('/src/portmap/codec/'),
  );
  none(impureImports(pure), 'sockets, files and processes are handed in');
  none(places(pure, /\b(Date\.now|Math\.random|performance\.now|process\.|new Date\(\))/, 'bare'), 'time is handed in');
});

test('files are small, each opens with a sentence, none writes to the console', (t) => {
  const large = [...src, ...tests].filter(({ lines }) => lines > LINES_LIKED && lines <= LINES_ALLOWED);
  const named = large.sort((a, b) => b.lines - a.lines).map(({ path, lines }) => `${path.split('/').at(-1)} ${lines}`);
  if (large.length > 0) t.diagnostic(`files with more than ${LINES_LIKED} lines: ${named.join(', ')}`);
  none(
    [...src, ...tests, ...tools]
      .filter(({ lines }) => lines > LINES_ALLOWED)
      .map(({ path, lines }) => `${path}: ${lines} lines`),
    `a source, a test or a tool has at most ${LINES_ALLOWED} lines`,
  );
  none(
    src.filter(({ text }) => !/^(#![^\n]*\n)?\/\*\*/.test(text)).map(({ path }) => path),
    'the first line says what the file is for: /** … */',
  );
  none(
    places([...src, ...tests, ...tools], /\bconsole\./, 'bare'),
    'process.stdout.write in cli, the logger elsewhere',
  );
});

test('nothing is left for later and no check is switched off', () => {
  // Put together here, or this file would find itself.
  const marks = new RegExp(
    `\\b(TO${'DO'}|FIX${'ME'}|HA${'CK'})\\b|@ts-(ig${'nore'}|expect-error|nocheck)|biome-ig${'nore'}`,
  );
  none(places([...src, ...tests, ...tools], marks, 'text'), 'finish it, or leave it out');
  none(places([...src, ...tests], /(:|<|\bas)\s*any\b(?!\s*\()/, 'bare'), 'unknown, and a check');
});

test('end-to-end tests have a room each, and helpers lie apart from tests', () => {
  const e2e = tests.filter(({ path }) => path.startsWith('test/e2e/')).map(({ path }) => path);
  none(
    e2e.filter((path) => !E2E_ROOMS.includes(path.split('/')[2] ?? '')),
    `a room of test/e2e is one of ${E2E_ROOMS.join(', ')}`,
  );
  const testFolders = new Set(e2e.filter((path) => path.endsWith('.test.ts')).map((path) => dirname(path)));
  none(
    e2e.filter((path) => !path.endsWith('.test.ts') && testFolders.has(dirname(path))),
    "what only helps tests goes to the room's steps/, or to lab/steps/ when several rooms use it",
  );
});

test('unit tests never wait for the clock', () => {
  const unit = tests.filter(({ path }) => !/^test\/(e2e|vm|bench)\//.test(path));
  none(
    places(unit, /\b(setTimeout|setInterval|AbortSignal\.timeout|Atomics\.wait)\b|(?<![.\w])sleep\(/, 'bare'),
    'use the fake clock, or wait for an event',
  );
  none(
    importsOf(unit, (specifier) => /^(node:)?timers(\/promises)?$/.test(specifier)),
    'use the fake clock, or wait for an event',
  );
});

test('error codes: the list, the sources and docs/errors.md agree', () => {
  const listPath = 'packages/core/src/api/error-codes.ts';
  const list = core.find(({ path }) => path === listPath);
  assert.ok(list);
  const listed = new Set([...list.code.matchAll(/^\s*(ERR_[A-Z0-9_]+):/gm)].map((match) => match[1] ?? ''));
  const native = sources(
    packageNames().map((name) => `packages/${name}/native`),
    ['.c', '.h'],
  );
  const used = new Map<string, string>();
  for (const { path, code } of [...src, ...native])
    if (path !== listPath)
      for (const match of code.matchAll(/['"`](ERR_[A-Z0-9_]+)['"`]/g)) used.set(match[1] ?? '', path);
  const nodes =
    /^ERR_(SOCKET|STREAM|INVALID|MODULE|PACKAGE|UNSUPPORTED|DLOPEN|PARSE|SERVER|CHILD|IPC|USE|ILLEGAL|WORKER)_/;
  none(
    [...used].filter(([code]) => !listed.has(code) && !nodes.test(code)).map(([code, path]) => `${code} in ${path}`),
    `used, but not in ${listPath}`,
  );
  none(
    [...listed].filter((code) => !used.has(code)),
    'listed, but used nowhere',
  );

  const docs = join(ROOT, 'docs/errors.md');
  assert.ok(existsSync(docs), 'docs/errors.md is missing');
  const entries = readFileSync(docs, 'utf8').split(/^## /m).slice(1);
  const told = entries.map((entry) => entry.split('\n')[0]?.trim() ?? '').filter((title) => title.startsWith('ERR_'));
  none(
    [...listed].filter((code) => !told.includes(code)),
    'not in docs/errors.md',
  );
  none(
    told.filter((code, index) => !listed.has(code) || told.indexOf(code) !== index),
    'in docs/errors.md, but not a code, or there twice',
  );
  none(
    entries
      .filter((entry) => entry.startsWith('ERR_') && !(/^Cause: \S/m.test(entry) && /^Remedy: \S/m.test(entry)))
      .map((entry) => entry.split('\n')[0] ?? ''),
    'without a line "Cause: …" and a line "Remedy: …"',
  );
});

test('every field rule is borne by a test that has its number', () => {
  const bearers = [...tests, ...core.filter(({ path }) => partOf(path) === 'conformance')];
  const borne = new Set<string>();
  for (const { code, path } of bearers) {
    if (path.startsWith('test/architecture')) continue;
    for (const match of code.matchAll(/['"`]((?:F\d+[a-z]?(?:,? and |, |\/| ))+)/g))
      for (const rule of match[1]?.match(/F\d+[a-z]?/g) ?? []) borne.add(rule);
  }
  const rules = fieldRules();
  assert.ok(rules.length >= 44, 'docs/field-rules.md lists the rules in tables');
  none(
    rules.filter(({ number }) => !borne.has(number)).map(({ number, text }) => `${number}: ${text}`),
    "a test's name starts with the number of the rule, as in test('F19 …')",
  );
  const known = new Set(rules.map(({ number }) => number));
  none(
    [...borne].filter((number) => !known.has(number)),
    'a test names a rule that docs/field-rules.md does not explain',
  );
});
