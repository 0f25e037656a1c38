#!/usr/bin/env node
/** An exec plugin of protocol 1 with sessions, in Node without packages: records as files in a folder that all peers share.
 *
 *   plugins:
 *     shared:
 *       type: exec
 *       protocol: 1
 *       command: /usr/local/lib/stunmesh/folder-store.mjs
 *       args: [/mnt/shared/stunmesh]
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: folder-store.mjs FOLDER\n');
  process.exit(2);
}
await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => {});

let written = 0;

const actions = {
  describe: () => ({ protocol: 1, version: '1.0', traits: { min_poll_ms: 200, session: true, delete: true } }),
  async get({ key }) {
    try {
      return { value: await readFile(join(folder, key), 'utf8') };
    } catch (error) {
      // No record is a success without a value.
      if (error.code === 'ENOENT') return {};
      throw error;
    }
  },
  async set({ key, value }) {
    written += 1;
    const temporary = join(folder, `.${key}.${process.pid}.${written}`);
    await writeFile(temporary, value, { mode: 0o600 });
    // A rename is one step: a reader sees the old record or the new one.
    await rename(temporary, join(folder, key));
  },
  delete: ({ key }) => rm(join(folder, key), { force: true }),
};

async function answer({ id, action, ...request }) {
  try {
    if (!Object.hasOwn(actions, action)) return { id, success: false, code: 'rejected', error: 'unknown action' };
    return { id, success: true, ...(await actions[action](request)) };
  } catch (error) {
    const code = error.code === 'EACCES' || error.code === 'EROFS' ? 'rejected' : 'later';
    return { id, success: false, code, error: `the folder cannot be used (${error.code})` };
  }
}

/** The last request on each key: the next one waits for it, so that one key keeps its order while others overtake. */
const tails = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const before = tails.get(request.key) ?? Promise.resolve();
  const done = before.then(async () => {
    process.stdout.write(`${JSON.stringify(await answer(request))}\n`);
    if (tails.get(request.key) === done) tails.delete(request.key);
  });
  tails.set(request.key, done);
}
