/** The remedies that programs show are those of docs/errors.md. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ERROR_CODES, StunmeshError } from '#src/api/index.js';
import { ERRNO_REMEDIES } from '#src/doctor/errno-remedies.js';
import { exitStatus, type Finding, fromError, remedyOf, worstOf } from '#src/doctor/finding.js';
import { REMEDIES } from '#src/doctor/remedies.js';
import { inWordsOf, SYSTEM_REMEDIES } from '#src/doctor/system-remedies.js';
import { fixturePath } from '../config/fixtures.js';

test('F39 each error code has one remedy: that of docs/errors.md, word by word', async () => {
  const text = await readFile(fixturePath('../../../docs/errors.md'), 'utf8');
  const told = Object.fromEntries(
    [...text.matchAll(/^## (ERR_\w+)\n\nCause: [\s\S]*?^Remedy: ([\s\S]*?)(?=\n\n|\n*$(?![\s\S]))/gm)].map(
      ([, code, remedy]) => [
        code,
        (remedy ?? '')
          .replace(/\s+/g, ' ')
          .replace(/\[[^\]]*\]\(([^)]*)\)/g, 'docs/$1')
          .trim(),
      ],
    ),
  );
  assert.deepEqual({ ...REMEDIES }, told);
  assert.deepEqual(Object.keys(REMEDIES).sort(), Object.keys(ERROR_CODES).sort());
});

test('F39 remedies in the words of FreeBSD and macOS are those of docs/errors.md, and name no command of Linux', async () => {
  const text = await readFile(fixturePath('../../../docs/errors.md'), 'utf8');
  for (const [platform, name] of [
    ['freebsd', 'FreeBSD'],
    ['darwin', 'macOS'],
  ] as const) {
    const own = SYSTEM_REMEDIES[platform] ?? {};
    const sections = text.split(/^(?=## ERR_)/m).slice(1);
    const told = sections.flatMap((section) => {
      const remedy = new RegExp(`^On ${name}: (.*)$`, 'm').exec(section)?.[1];
      return remedy === undefined ? [] : [[/^## (\w+)/.exec(section)?.[1], remedy]];
    });
    assert.deepEqual(Object.fromEntries(told), { ...own });
    for (const code of Object.keys(REMEDIES)) {
      const { remedy } = inWordsOf(platform, { code, remedy: REMEDIES[code] ?? '' });
      assert.doesNotMatch(
        remedy,
        /CAP_NET|systemctl|\bip (link|rule)|`ss |policy rule|apt install/,
        `${platform}: ${code}`,
      );
    }
  }
  assert.equal(inWordsOf('linux', { code: 'ERR_STUN_NO_ROUTE', remedy: 'x' }).remedy, 'x');
  assert.equal(inWordsOf('freebsd', { code: 'ERR_STUN_NO_ROUTE', remedy: 'its own words' }).remedy, 'its own words');
});

test('F39 what to do about a folder goes by what the operating system said, and stands in docs/errors.md', async () => {
  const text = await readFile(fixturePath('../../../docs/errors.md'), 'utf8');
  const told = text.split(/^(?=## ERR_)/m).flatMap((section) => {
    const lines = [...section.matchAll(/^(E[A-Z]+(?:, E[A-Z]+)*): (.*)$/gm)];
    const each = lines.flatMap(([, names = '', remedy]) => names.split(', ').map((name) => [name, remedy]));
    return each.length === 0 ? [] : [[/^## (\w+)/.exec(section)?.[1], Object.fromEntries(each)]];
  });
  assert.deepEqual(Object.fromEntries(told), { ...ERRNO_REMEDIES });
  const readOnly = new StunmeshError('ERR_STORE_DENIED', 'no', { details: { errno: 'EROFS' } });
  assert.match(fromError(readOnly).remedy ?? '', /writable.*ReadWritePaths/);
  assert.doesNotMatch(fromError(readOnly).remedy ?? '', /token|password/);
  assert.match(remedyOf('ERR_STORE_DENIED', 'EACCES'), /user that runs stunmesh/);
  assert.equal(remedyOf('ERR_STORE_DENIED'), REMEDIES['ERR_STORE_DENIED']);
});

test('an error becomes a finding with its code and remedy; what is no error of ours is ERR_INTERNAL', () => {
  assert.deepEqual(fromError(new StunmeshError('ERR_LOCKED', 'taken')), {
    text: 'taken',
    code: 'ERR_LOCKED',
    remedy: REMEDIES['ERR_LOCKED'],
  });
  assert.equal(fromError(new TypeError('x')).code, 'ERR_INTERNAL');
  const foreign = new StunmeshError('ERR_OF_A_PLUGIN' as 'ERR_INTERNAL', 'odd');
  assert.deepEqual(fromError(foreign), {
    text: 'odd',
    code: 'ERR_OF_A_PLUGIN',
    remedy: REMEDIES['ERR_STORE_INTERNAL'],
  });
});

test('the exit status is that of the gravest finding', () => {
  const of = (...verdicts: Finding['verdict'][]) =>
    verdicts.map((verdict) => ({ check: 'peer', verdict, text: '' }) as const);
  assert.equal(exitStatus([]), 0);
  assert.equal(exitStatus(of('ok', 'note')), 0);
  assert.equal(exitStatus(of('warning', 'ok')), 1);
  assert.equal(exitStatus(of('warning', 'fault', 'ok')), 2);
  assert.equal(worstOf(of('ok', 'note', 'ok')), 'note');
});
