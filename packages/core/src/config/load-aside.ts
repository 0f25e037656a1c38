/** Loads a configuration without holding up the event loop: a large file is read by another thread (a reload has tunnels to look after). */
import { Worker } from 'node:worker_threads';
import { type Clock, StunmeshError } from '../api/index.js';
import { findConfig } from './find.js';
import { type LoadOptions, loadedConfig, type ParsedConfig, parseConfig } from './load.js';
import { joinParts, type LoadPart } from './load-parts.js';
import type { LoadRefusal, LoadRequest } from './load-worker.js';
import type { LoadedConfig } from './types.js';

/** Of about 80 peers: some 20 ms, for which no thread is worth its 15 MiB. */
const SMALL_BYTES = 16 * 1024;
/** What the largest file that is read takes of a slow router's processor. */
const MOST_MS = 60_000;
const MOST_HEAP_MIB = 512;

export interface AsideOptions extends LoadOptions {
  readonly clock: Clock;
  /** The program's script, which reads the file where it is started as a worker (cli/main). */
  readonly program: string;
}

/** As loadConfig, with the same errors. */
export async function loadConfigAside(options: AsideOptions): Promise<LoadedConfig> {
  const found = await findConfig(options);
  const request: LoadRequest = { found, ...(options.platform === undefined ? {} : { platform: options.platform }) };
  const small = found.bytes.length < SMALL_BYTES;
  const parsed = small ? await parseConfig(found, options.platform) : await parseAside(request, options);
  return loadedConfig(found, parsed, options.env);
}

async function parseAside(request: LoadRequest, { clock, program }: AsideOptions): Promise<ParsedConfig> {
  using limit = clock.deadline(MOST_MS);
  const answer = await ask(request, program, limit.signal);
  // Where no worker can be had the loop has to wait.
  if (answer === undefined) return parseConfig(request.found, request.platform);
  if ('config' in answer) return answer;
  throw new StunmeshError(answer.code as `ERR_${string}`, answer.message, { details: answer.details });
}

/** Undefined: no worker starts here. Errors: ERR_CONFIG_READ. */
async function ask(
  request: LoadRequest,
  program: string,
  signal: AbortSignal,
): Promise<ParsedConfig | LoadRefusal | undefined> {
  const { shownAs } = request.found;
  const refused = (why: string) =>
    new StunmeshError('ERR_CONFIG_READ', `${shownAs}: ${why}; is it the right file?`, { details: { file: shownAs } });
  let worker: Worker;
  try {
    worker = new Worker(program, { workerData: request, resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MIB } });
  } catch {
    return undefined;
  }
  try {
    return await new Promise((resolve, reject) => {
      const take = joinParts();
      worker.on('message', (message: LoadPart | LoadRefusal) => {
        const whole = 'code' in message ? message : take(message);
        if (whole) resolve(whole);
        else worker.postMessage('next');
      });
      worker.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ERR_WORKER_OUT_OF_MEMORY')
          reject(refused(`reading it takes more than ${MOST_HEAP_MIB} MiB of memory`));
        else resolve(undefined);
      });
      worker.once('exit', () => resolve(undefined));
      signal.addEventListener('abort', () => reject(refused(`reading it takes more than ${MOST_MS / 1000} s`)));
    });
  } finally {
    await worker.terminate();
  }
}
