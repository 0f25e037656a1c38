/** A session plugin for tests, whose behaviour is chosen line by line. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Logger, Store } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { JAVASCRIPT, open, scratch } from './fixture.js';

export interface Scripted {
  readonly path: string;
  readonly folder: string;
}

/** Writes a plugin: `body` is JavaScript that sees `request`, `answer(members)`, `send(message)`, `values` (a Map that lives as long
 * as the process), `count` (requests so far), `starts` (processes so far, but for that of the first describe), `once` (it is a single call). */
export async function scripted(
  t: TestContext,
  body: string,
  traits: object = { session: true },
  prologue = '',
): Promise<Scripted> {
  const folder = await scratch(t);
  const path = join(folder, 'plugin.mjs');
  await writeFile(
    path,
    `#!${JAVASCRIPT}
import { appendFileSync, fstatSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
const folder = ${JSON.stringify(folder)};
const once = fstatSync(0).isFile();
if (!once) appendFileSync(folder + '/starts', process.pid + '\\n');
const starts = once ? 0 : readFileSync(folder + '/starts', 'utf8').trim().split('\\n').length;
const values = new Map();
let count = 0;
${prologue}
const send = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
const TRAITS = ${JSON.stringify(traits)};
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const { id, action, key, value } = request;
  const answer = (members) => send({ id, success: true, ...members });
  if (action === 'describe') { answer({ protocol: 1, version: 'test', traits: TRAITS }); continue; }
  count += 1;
  ${body}
}
`,
    { mode: 0o755 },
  );
  return { path, folder };
}

/** The usual answers. */
export const KEEPS = `if (action === 'set') { values.set(key, value); answer({}); } else answer({ value: values.get(key) });`;

export function openSession1(t: TestContext, path: string, logger: Logger = createMemoryLogger()): Promise<Store> {
  return open(t, { type: 'exec', protocol: 1, command: path }, logger as ReturnType<typeof createMemoryLogger>);
}
