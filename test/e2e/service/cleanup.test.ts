/** `stunmesh cleanup` in a network namespace of its own, with rules that a process before it left in the kernel. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { missingForLab, REPOSITORY } from '../lab/index.js';

const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
const CAPTURE = join(REPOSITORY, 'packages/capture-linux/dist/index.js');
const missing = missingForLab();

/** Leaves a diversion of each of two devices behind, and another program's table. */
const LEAVE = `
const { default: capture } = await import(process.argv[1]);
for (const device of ['wg0', 'wg1'])
  (await capture.divert({ device, localPort: 51820, sourcePort: 40155, remote: { family: 4, address: '203.0.113.7', port: 51820 } })).keep();
`;

/** A script in a namespace that ends with it; `$1` is node, `$2` the command, `$3` the capture module. */
function inNamespace(script: string): string {
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--net', 'sh', '-ec', script, 'sh', process.execPath, MAIN, CAPTURE],
    { encoding: 'utf8', env: { ...process.env, LEAVE } },
  );
  assert.equal(status, 0, stderr);
  return stdout;
}

test('F49 cleanup takes out what was left in place, of all devices or of one, and nothing of other programs', {
  skip: missing ?? false,
}, () => {
  const out = inNamespace(`
    nft add table inet others
    "$1" --input-type=module -e "$LEAVE" "$3"
    nft list tables
    echo -- one
    "$1" "$2" cleanup wg1 wg2
    echo -- all
    "$1" "$2" cleanup
    echo -- again
    "$1" "$2" cleanup
    echo -- left
    nft list tables
  `);
  const [before = '', one = '', all = '', again = '', left = ''] = out.split(/^-- .*\n/m);
  assert.equal(before.trim().split('\n').length, 3, before);
  assert.match(one, /removed the rules of wg1;.*\nthere are no rules of wg2\n$/);
  assert.match(all, /^removed the rules of wg0;/);
  assert.doesNotMatch(all, /wg1/);
  assert.equal(again, 'there are no rules of stunmesh on this host\n');
  assert.equal(left.trim(), 'table inet others');
});
