/** The other thread of config/load-aside: one file in, what it says or what is wrong with it out. */
import { parentPort, workerData } from 'node:worker_threads';
import { isStunmeshError } from '../api/errors.js';
import type { FoundFile } from './find.js';
import { type ParsedConfig, parseConfig } from './load.js';
import type { Tree } from './source.js';

export interface LoadRequest {
  readonly found: FoundFile;
  readonly platform?: NodeJS.Platform;
}

export type LoadAnswer =
  | { readonly parsed: ParsedConfig }
  | { readonly code: string; readonly message: string; readonly details: Readonly<Record<string, string | number>> };

const { found, platform } = workerData as LoadRequest;
parentPort?.postMessage(await answer());

async function answer(): Promise<LoadAnswer> {
  try {
    const { config, warnings, source } = await parseConfig(found, platform);
    return { parsed: { config, warnings, source: { root: onlyPlugins(source.root), lineStarts: source.lineStarts } } };
  } catch (error) {
    // All else goes to whoever waits as the worker's own error.
    if (!isStunmeshError(error)) throw error;
    const { code, message, details } = error;
    return { code, message, details };
  }
}

/** Of a crowd's file this is the small part, and the only one that is looked at again. */
function onlyPlugins(root: Tree | undefined): Tree | undefined {
  if (root?.kind !== 'map') return undefined;
  return { ...root, entries: new Map([...root.entries].filter(([key]) => key.toLowerCase() === 'plugins')) };
}
