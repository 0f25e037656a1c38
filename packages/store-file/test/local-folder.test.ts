/** On which file systems a watch shows all changes: those of this machine alone. */
import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import process from 'node:process';
import { test } from 'node:test';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import { createFolderWatch } from '#src/folder-watch.js';
import { remoteReason, unseenChanges } from '#src/local-folder.js';
import { scratch } from './folder.js';

test('a file system that other machines may write to is named, and what is not known counts as one', () => {
  for (const [type, name] of [
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    // As a signed word.
    [0xff534d42 | 0, 'CIFS'],
    [0x65735546, 'FUSE'],
    [0x01021997, '9P'],
    [0x01161970, 'GFS2'],
    [0x12345678, '0x12345678'],
  ] as const)
    assert.ok(remoteReason(type)?.includes(name), `${remoteReason(type)}`);
  for (const type of [0xef53, 0x58465342, 0x9123683e, 0x9123683e | 0, 0x01021994, 0x794c7630])
    assert.equal(remoteReason(type), undefined);
});

test('a folder of this machine is seen whole; one of no known kind is said to be seen in part, by the watch itself', async (t) => {
  const path = await scratch(t);
  if (process.platform === 'linux' && remoteReason((await statfs(path)).type) === undefined)
    assert.equal(await unseenChanges(path), undefined);
  const unseen = async () => 'on NFS the changes that other machines make are not seen';
  const options = { path, clock: createSystemClock(), logger: createMemoryLogger() };
  await using watching = createFolderWatch({ ...options, unseen });
  let begun: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const watch = watching.add(['0'.repeat(40)], { change: () => begun(), fault: () => {} });
  await first;
  assert.match(watch.incomplete ?? '', /NFS/);
});
