import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#src/api/index.js';
import { readGivenNames, readRealName } from '#src/wireguard/real-name.js';

/** A folder as wg-quick leaves it on macOS; times in seconds. */
async function withFolder(
  run: (dir: string, put: (name: string, text: string, at?: number) => Promise<void>) => Promise<void>,
) {
  const dir = await mkdtemp(join(tmpdir(), 'smt-names-'));
  try {
    await run(dir, async (name, text, at = 1_000_000) => {
      await writeFile(join(dir, name), text);
      await utimes(join(dir, name), at, at);
    });
  } finally {
    await rm(dir, { recursive: true });
  }
}

test('a name without a file is the kernel’s own', async () => {
  await withFolder(async (dir, put) => {
    await put('utun4.sock', '');
    assert.equal(await readRealName(dir, 'utun4'), 'utun4');
    assert.equal(await readRealName(join(dir, 'none'), 'wg0'), 'wg0');
    assert.equal((await readGivenNames(join(dir, 'none'))).size, 0);
    assert.equal((await readGivenNames(dir)).size, 0);
  });
});

test("wg-quick's file on macOS tells the kernel's name, and the other way round", async () => {
  await withFolder(async (dir, put) => {
    await put('home.name', 'utun4\n', 1_000_001);
    await put('utun4.sock', '', 1_000_000);
    await put('work.name', 'utun7\n');
    assert.equal(await readRealName(dir, 'home'), 'utun4');
    assert.equal(await readRealName(dir, 'work'), 'utun7', 'although nothing listens there yet');
    assert.deepEqual(
      await readGivenNames(dir),
      new Map([
        ['utun4', 'home'],
        ['utun7', 'work'],
      ]),
    );
    await put('empty.name', '\n');
    assert.equal(await readRealName(dir, 'empty'), 'empty');
  });
});

test('F26 a file that has outlived its device does not lead to the one that has its number now', async () => {
  await withFolder(async (dir, put) => {
    await put('home.name', 'utun4\n', 1_000_000);
    await put('utun4.sock', '', 1_000_002);
    await assert.rejects(readRealName(dir, 'home'), (error: unknown) => {
      assert.match(String(error), /"home".*home\.name is older than the socket of utun4/);
      return hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND');
    });
    assert.equal((await readGivenNames(dir)).size, 0);
    await put('utun4.sock', '', 1_000_001.9);
    assert.equal(await readRealName(dir, 'home'), 'utun4', 'they are made one after the other');
    await put('utun4.sock', '', 900_000);
    assert.equal(await readRealName(dir, 'home'), 'utun4', 'a file that was written by hand later');
  });
});
