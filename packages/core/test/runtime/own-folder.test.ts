/** Folders that others may change are not written to (F75): real folders, real owners. */
import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isStunmeshError } from '#src/api/index.js';
import { claimFolder, whoMayChange } from '#src/runtime/own-folder.js';

const NEIGHBOUR = 12_345;
const root = process.geteuid?.() === 0;

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-own-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function folder(path: string, mode: number, owner?: number): Promise<string> {
  await mkdir(path);
  await chmod(path, mode);
  if (owner !== undefined) await chown(path, owner, owner);
  return path;
}

const claim = (path: string) => claimFolder(path, 'run_dir', 'ERR_RUN_DIR');

/** The refusal's message. */
async function refusal(path: string): Promise<string> {
  try {
    await claim(path);
  } catch (error) {
    assert.ok(isStunmeshError(error));
    assert.equal(error.code, 'ERR_RUN_DIR');
    assert.match(error.message, /run_dir .*chmod 700.*set run_dir/);
    return error.message;
  }
  return assert.fail(`${path} was taken`);
}

test('F75 a folder is made with mode 0700, one of ours is taken as it is, also below a sticky folder', async (t) => {
  const at = await scratch(t);
  await claim(join(at, 'deep', 'run'));
  assert.equal((await stat(join(at, 'deep', 'run'))).mode & 0o777, 0o700);
  await folder(join(at, 'sticky'), 0o1777);
  await claim(join(at, 'sticky', 'run'));
  await claim(await folder(join(at, 'readable'), 0o755));
  assert.equal((await stat(join(at, 'readable'))).mode & 0o777, 0o755);
});

test('F75 a folder that everybody may write to is refused, also one with a sticky bit, and so is what lies below it', async (t) => {
  const at = await scratch(t);
  assert.match(await refusal(await folder(join(at, 'open'), 0o777)), /everybody may change what is in .*open/);
  assert.match(await refusal(await folder(join(at, 'sticky'), 0o1777)), /everybody may write to it/);
  assert.match(await refusal(join(at, 'open', 'run')), /everybody may change what is in .*open/);
  await assert.rejects(stat(join(at, 'open', 'run')), { code: 'ENOENT' }, 'it was made before it was refused');
  await folder(join(at, 'open', 'there'), 0o700);
  assert.match(await refusal(join(at, 'open', 'there')), /everybody may change/);
});

test('F75 a folder of another user is refused, and so are a path and a link that he can turn elsewhere', async (t) => {
  if (!root) return t.skip('needs root to give folders away');
  const at = await scratch(t);
  await chmod(at, 0o1777);
  assert.match(await refusal(await folder(join(at, 'his'), 0o755, NEIGHBOUR)), /belongs to user 12345/);
  await folder(join(at, 'his', 'ours'), 0o700);
  assert.match(await refusal(join(at, 'his', 'ours')), /belongs to user 12345/);
  await folder(join(at, 'ours'), 0o700);
  await symlink('ours', join(at, 'link'));
  await claim(join(at, 'link'));
  await lchown(join(at, 'link'), NEIGHBOUR, NEIGHBOUR);
  assert.match(await refusal(join(at, 'link')), /link belongs to user 12345/);
  await symlink('his', join(at, 'bent'));
  assert.match(await refusal(join(at, 'bent')), /belongs to user 12345/);
  await chown(join(at, 'ours'), 0, NEIGHBOUR);
  await chmod(join(at, 'ours'), 0o770);
  assert.match(await refusal(join(at, 'ours')), /group 12345 may write/);
});

test('what cannot be made or seen is left to who writes to it; who owns a folder may be told to be trusted', async (t) => {
  await claim('/proc/nowhere/at/all');
  assert.equal(await whoMayChange('/proc/nowhere/at/all'), undefined);
  if (!root) return t.skip('needs root to give folders away');
  const his = await folder(join(await scratch(t), 'his'), 0o700, NEIGHBOUR);
  assert.match((await whoMayChange(his)) ?? '', /belongs to user/);
  assert.equal(await whoMayChange(his, NEIGHBOUR), undefined);
});
