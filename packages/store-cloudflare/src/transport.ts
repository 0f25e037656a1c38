/** HTTP for the SDK on node:https: bounded bodies, no redirects, only answers that are the API's (F35); costs 25 MiB less than fetch. */
import * as http from 'node:http';
import * as https from 'node:https';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Clock, type Connect, isStunmeshError } from '@stunmesh/core/api';
import { createAgents, MOST_SOCKETS, type Target } from './agents.js';
import { createBody } from './body.js';
import { type ApiMessage, Fault, parseRetryAfter } from './fault.js';
import { createSlots } from './slots.js';

/** A page of 5,000 records takes about 4 MB. */
export const LONGEST_BODY = 8 * 1024 * 1024;

/** Chains of errors in errors are followed so far. */
const MOST_CHAINED = 3;

const unzip = promisify(gunzip);

export interface Transport extends Disposable {
  /** What the SDK takes as `fetch`. Rejects with a Fault, or with the signal's reason. */
  readonly fetch: (url: string | URL | Request, init?: RequestInit) => Promise<Response>;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export function createTransport(options: { readonly clock: Clock; readonly connect?: Connect }): Transport {
  const agents = createAgents(options.connect);
  const takeSlot = createSlots(MOST_SOCKETS);

  const exchange = (url: URL, init: RequestInit): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { signal } = init;
      if (signal?.aborted) throw signal.reason;
      const body = typeof init.body === 'string' ? Buffer.from(init.body) : undefined;
      const tls = url.protocol === 'https:';
      const target: Target = {
        method: init.method ?? 'GET',
        headers: {
          ...Object.fromEntries(init.headers as Iterable<[string, string]>),
          'accept-encoding': 'gzip',
          ...(body ? { 'content-length': body.length } : {}),
        },
        agent: tls ? agents.secure : agents.plain,
        ...(signal ? { giveUp: signal } : {}),
      };
      const request = (tls ? https : http).request(url, target);
      const onAbort = () => {
        request.destroy(signal?.reason);
        // A request whose socket is not there yet emits nothing when it is destroyed.
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const fail = (error: NodeJS.ErrnoException) => {
        if (signal?.aborted) reject(signal.reason);
        else if (error instanceof Fault) reject(error);
        else if (isStunmeshError(error)) reject(new Fault({ kind: 'failed', error }));
        else reject(new Fault({ kind: 'network', errno: error.code ?? 'unknown error' }));
      };
      request.on('close', () => signal?.removeEventListener('abort', onAbort));
      request.on('error', fail);
      request.on('response', (response) => {
        const body = createBody(LONGEST_BODY);
        response.on('data', (chunk: Buffer) => {
          if (!body.add(chunk)) request.destroy(new Fault({ kind: 'too-long', limitBytes: LONGEST_BODY }));
        });
        response.on('error', fail);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: body.bytes() }),
        );
      });
      request.end(body);
    });

  return {
    async fetch(url, init = {}) {
      const release = await takeSlot(init.signal);
      const answer = await exchange(new URL(String(url)), init).finally(release);
      const value = await readEnvelope(answer, options.clock.wallNow());
      return asResponse(answer.status, value);
    },
    [Symbol.dispose]() {
      agents[Symbol.dispose]();
    },
  };
}

/** The parsed answer, if it is one of the API that says that all went well. Errors: Fault. */
async function readEnvelope({ status, headers, body }: Answer, wallNow: number): Promise<object> {
  if (status >= 300 && status < 400) throw new Fault({ kind: 'redirect', status });
  const envelope = parseEnvelope(await unpack(headers['content-encoding'], body, status));
  const retryAfterMs = parseRetryAfter(headers['retry-after'], wallNow);
  if (status < 200 || status >= 300 || envelope?.success === false) {
    const messages = apiMessages(envelope?.errors, MOST_CHAINED);
    throw new Fault({ kind: 'refused', status, messages, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }
  // A result of null would read as "no records", and records that are there would be made again.
  if (envelope?.success !== true || typeof envelope.result !== 'object' || envelope.result === null) {
    throw new Fault({ kind: 'garbage', status });
  }
  return envelope;
}

async function unpack(encoding: string | undefined, body: Buffer, status: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip') throw new Fault({ kind: 'garbage', status });
  try {
    return await unzip(body, { maxOutputLength: LONGEST_BODY });
  } catch (error) {
    const tooLong = error instanceof RangeError;
    throw new Fault(tooLong ? { kind: 'too-long', limitBytes: LONGEST_BODY } : { kind: 'garbage', status });
  }
}

interface Envelope {
  readonly success?: unknown;
  readonly result?: unknown;
  readonly errors?: unknown;
}

function parseEnvelope(body: Buffer): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The messages of an answer with those of their chains, which hold the more exact codes. */
function apiMessages(errors: unknown, deep: number): readonly ApiMessage[] {
  if (!Array.isArray(errors) || deep === 0) return [];
  return errors.slice(0, 20).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { code, message, error_chain: chain } = entry as Record<string, unknown>;
    const own = { code: Number(code) || 0, message: typeof message === 'string' ? message : '' };
    return [own, ...apiMessages(chain, deep - 1)];
  });
}

/** As much of a Response as the SDK reads of a good answer. */
function asResponse(status: number, value: object): Response {
  const response = {
    status,
    ok: true,
    headers: { get: (name: string) => (name.toLowerCase() === 'content-type' ? 'application/json' : null) },
    json: async () => value,
  };
  return response as unknown as Response;
}
