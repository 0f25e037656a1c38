/** A local HTTP server that behaves like the DNS part of Cloudflare's API, with a hook for faults; it counts every call. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { applyBatch, type Batch, fails, listRecords, type StoredRecord } from './api-zone.js';

export const TOKEN = 'test-token-0123456789abcdefghijklmnopqrst';
export const ZONE = 'example.com';
export const ZONE_ID = '023e105f4ecef8ad9ca31a8372d0c353';

export interface Call {
  readonly method: string;
  /** Without the base path, as `/zones/ID/dns_records/batch`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** What a fault hook may answer: something else than the API would, nothing at all, or a cut connection. */
export type FaultAnswer =
  | 'hang'
  | 'reset'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body: string | object };

export interface ApiServer extends AsyncDisposable {
  /** The base URL. */
  readonly url: string;
  readonly calls: Call[];
  readonly records: Map<string, StoredRecord>;
  /** Called before a call is served; what it returns is answered instead. */
  fault: ((call: Call) => FaultAnswer | undefined) | undefined;
  /** Called after a call has been served and before it is answered: the change is made, the answer is lost. */
  lateFault: ((call: Call) => FaultAnswer | undefined) | undefined;
  /** How content looks in answers and what is accepted. */
  quotes: 'as given' | 'added' | 'demanded';
  /** The largest page that is given, whatever is asked for. */
  mostPerPage: number;
  /** The most records that the plan allows. */
  quota: number;
  token: string;
  /** Called after every change. */
  changed: (() => void) | undefined;
  /** Adds a record as another program would. */
  add(name: string, content: string, more?: Partial<StoredRecord>): StoredRecord;
  /** Calls whose method and path match. */
  count(pattern: RegExp): number;
  readonly openSockets: number;
}

export async function startApiServer(): Promise<ApiServer> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => void serve(request, response));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = '/client/v4';

  const api: ApiServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`,
    calls: [],
    records: new Map(),
    fault: undefined,
    lateFault: undefined,
    quotes: 'as given',
    mostPerPage: 5_000_000,
    quota: 100_000,
    token: TOKEN,
    changed: undefined,
    add(name, content, more = {}) {
      const id = nextId();
      const record = { id, type: 'TXT', name, content, ttl: 1, comment: '', modified_on: stamp(), ...more };
      api.records.set(record.id, record);
      api.changed?.();
      return record;
    },
    count: (pattern) => api.calls.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length,
    get openSockets() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  let made = 0;
  const nextId = (): string => {
    made += 1;
    return made.toString(16).padStart(32, '0');
  };
  const stamp = (): string => new Date(Date.UTC(2026, 0, 1) + made * 1000 + api.calls.length).toISOString();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const call: Call = {
      method: request.method ?? '',
      path: url.pathname.slice(base.length),
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    api.calls.push(call);
    const early = api.fault?.(call);
    const answer = early ?? answerOf(call);
    send(request, response, early === undefined ? (api.lateFault?.(call) ?? answer) : answer);
  }

  function answerOf(call: Call): FaultAnswer {
    try {
      if (call.headers.authorization !== `Bearer ${api.token}`) fails(403, 9109, 'Invalid access token');
      const { result, info } = route(call);
      return {
        status: 200,
        body: { success: true, errors: [], messages: [], result, ...(info ? { result_info: info } : {}) },
      };
    } catch (error) {
      const { status, code, message } = error as { status?: number; code?: number; message: string };
      if (status === undefined) throw error;
      return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null } };
    }
  }

  function route({ method, path, query, body }: Call): { result: unknown; info?: object } {
    const [, zones, zone, kind, what] = path.split('/');
    if (method === 'GET' && zones === 'zones' && zone === undefined) {
      const found = query.get('name') === ZONE ? [{ id: ZONE_ID, name: ZONE, status: 'active' }] : [];
      return { result: found, info: { page: 1, per_page: 20, count: found.length, total_count: found.length } };
    }
    if (zones !== 'zones' || zone !== ZONE_ID || kind !== 'dns_records')
      fails(404, 7003, 'Could not route to this path');
    const rules = { quota: api.quota, quotes: api.quotes, nextId, stamp };
    if (method === 'GET' && what === undefined) return listRecords([...api.records.values()], query, api);
    const batch: Batch | undefined =
      method === 'POST' && what === 'batch'
        ? (body as Batch)
        : method === 'POST' && what === undefined
          ? { posts: [body as StoredRecord] }
          : method === 'PATCH' && what !== undefined
            ? { patches: [{ ...(body as object), id: what }] }
            : undefined;
    if (!batch) return fails(405, 7001, 'Method not allowed');
    const result = applyBatch(api.records, batch, rules);
    api.changed?.();
    return { result: what === 'batch' ? result : (result.posts[0] ?? result.patches[0]) };
  }

  return api;
}

function send(request: IncomingMessage, response: ServerResponse, answer: FaultAnswer): void {
  if (answer === 'hang') return;
  if (answer === 'reset') {
    request.socket.resetAndDestroy();
    return;
  }
  const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  const zip =
    /\bgzip\b/.test(String(request.headers['accept-encoding'])) &&
    text.length > 1000 &&
    !answer.headers?.['content-encoding'];
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    ...(zip ? { 'content-encoding': 'gzip' } : {}),
    ...answer.headers,
  });
  response.end(zip ? gzipSync(text) : text);
}
