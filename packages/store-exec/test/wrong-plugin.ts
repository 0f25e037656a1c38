/** A good plugin of protocol 1 over a folder, in which one thing can be made wrong on purpose. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { JAVASCRIPT, scratch } from './fixture.js';

/** Where a mistake can be: JavaScript put in at these places. */
export interface Mistake {
  /** Runs first. */
  readonly start?: string;
  /** Runs for each request; may `continue`. Sees request, answer, send, good. */
  readonly request?: string;
  /** Runs on each answer (`a`, with id) before it is sent; `r` is its request. */
  readonly answer?: string;
  /** Runs at the end of the input. */
  readonly end?: string;
  readonly traits?: object;
}

const TRAITS = { session: true, watch: true, delete: true, many: true };

/** Returns the path of the program, which takes no arguments. */
export async function wrongPlugin(t: TestContext, mistake: Mistake): Promise<string> {
  const folder = await scratch(t);
  const path = join(folder, 'plugin.mjs');
  await writeFile(
    path,
    `#!${JAVASCRIPT}
import * as fs from 'node:fs';
import { createInterface } from 'node:readline';
const folder = ${JSON.stringify(folder)};
const single = fs.fstatSync(0).isFile();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const send = (message) => fs.writeSync(1, JSON.stringify(message) + '\\n');
const read = (key) => { try { return fs.readFileSync(folder + '/' + key, 'utf8'); } catch { return undefined; } };
const write = (key, value) => { const name = folder + '/.' + key + process.pid; fs.writeFileSync(name, value); fs.renameSync(name, folder + '/' + key); };
let watched = new Map();
let tick;
const good = {
  describe: () => ({ protocol: 1, version: '1', traits: ${JSON.stringify({ ...TRAITS, ...mistake.traits })} }),
  get: ({ key }) => ({ value: read(key) }),
  set: ({ key, value }) => void write(key, value),
  delete: ({ key }) => fs.rmSync(folder + '/' + key, { force: true }),
  getMany: ({ keys }) => ({ values: Object.fromEntries(keys.map((key) => [key, read(key)])) }),
  setMany: ({ values }) => Object.entries(values).forEach(([key, value]) => write(key, value)),
  watch: ({ keys }) => {
    watched = new Map(keys.map((key) => [key, read(key)]));
    clearInterval(tick);
    if (keys.length > 0) tick = setInterval(() => {
      for (const [key, value] of watched) if (read(key) !== value) { watched.set(key, read(key)); send({ event: 'change', key }); }
    }, 10);
  },
};
const answer = (r, members) => {
  const a = { id: r.id, success: true, ...members };
  ${mistake.answer ?? ''}
  send(a);
};
${mistake.start ?? ''}
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  ${mistake.request ?? ''}
  if (Object.hasOwn(good, request.action)) answer(request, good[request.action](request));
  else answer(request, { success: false, code: 'rejected', error: 'unknown action' });
}
clearInterval(tick);
${mistake.end ?? ''}
`,
    { mode: 0o755 },
  );
  return path;
}
