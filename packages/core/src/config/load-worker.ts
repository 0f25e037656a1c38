/** The other thread of config/load-aside: one file in, what it says (in parts, each when it is asked for) or what is wrong with it out. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { isStunmeshError } from '../api/errors.js';
import type { FoundFile } from './find.js';
import { parseConfig } from './load.js';
import { type LoadPart, splitParsed } from './load-parts.js';
import type { Tree } from './source.js';

export interface LoadRequest {
  readonly found: FoundFile;
  readonly platform?: NodeJS.Platform;
}

export interface LoadRefusal {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
}

const { found, platform } = workerData as LoadRequest;
for await (const message of answer()) {
  parentPort?.postMessage(message);
  // The other side takes one in a turn of its loop: it would take all that are there in the same one.
  if (parentPort) await once(parentPort, 'message');
}

async function* answer(): AsyncGenerator<LoadPart | LoadRefusal> {
  try {
    const { config, warnings, source } = await parseConfig(found, platform);
    yield* splitParsed({ config, warnings, source: { root: onlyPlugins(source.root), lineStarts: source.lineStarts } });
  } catch (error) {
    // All else goes to whoever waits as the worker's own error.
    if (!isStunmeshError(error)) throw error;
    const { code, message, details } = error;
    yield { code, message, details };
  }
}

/** Of a crowd's file this is the small part, and the only one that is looked at again. */
function onlyPlugins(root: Tree | undefined): Tree | undefined {
  if (root?.kind !== 'map') return undefined;
  return { ...root, entries: new Map([...root.entries].filter(([key]) => key.toLowerCase() === 'plugins')) };
}
