/** A small HTTP server for a few read-only pages, such as /metrics and /healthz; loaded only when it is asked for. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { type Endpoint, StunmeshError } from '../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress } from '../net/index.js';

export interface Page {
  readonly status: number;
  /** The Content-Type. */
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent compressed to who understands that. */
  readonly compress?: true;
}

/** Who asks, and for what. */
export interface PageRequest {
  readonly query: URLSearchParams;
  /** The address that the connection comes from. */
  readonly from: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

export type MakePage = (request: PageRequest) => Page | Promise<Page>;
export type PagesByPath = Readonly<Record<string, MakePage>>;

export interface HttpPages extends AsyncDisposable {
  /** With the port that the system chose where 0 was asked for. */
  readonly address: Endpoint;
}

/** A scraper or two and somebody who looks; past so many the one that waited longest gives its place to the next. */
const MOST_CONNECTIONS = 128;
const REQUEST_MS = 5_000;
const CHECK_MS = 1_000;
const MOST_HEADER_BYTES = 8_192;
const TEXT = 'text/plain; charset=utf-8';

/** Serves `pages` by their paths ("/metrics") to GET and HEAD. Errors: ERR_METRICS_LISTEN. */
export async function openHttpPages(listen: Endpoint, pages: PagesByPath): Promise<HttpPages> {
  const server = createServer(
    {
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MOST_HEADER_BYTES,
    },
    (request, response) => void answer(pages, request, response),
  );
  boundConnections(server);
  // A reader that does not read must not keep its place.
  server.timeout = REQUEST_MS;
  const text = formatEndpoint(listen);
  await new Promise<void>((resolve, reject) => {
    // It stays: an accept that fails later (no descriptors left) must not end the daemon.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening) return;
      server.close();
      reject(new StunmeshError('ERR_METRICS_LISTEN', `cannot serve metrics on ${text}: ${explain(error)}`));
    });
    const { address, port, zone } = listen;
    // Without ipv6Only "::" would take the port of every IPv4 address too.
    server.listen({ host: zone === undefined ? address : `${address}%${zone}`, port, ipv6Only: true }, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  let closing: Promise<void> | undefined;
  return {
    address: createEndpoint(parseAddress(listen.address) ?? new Uint8Array(4), port),
    [Symbol.asyncDispose]() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

/** Whoever holds connections open without asking anything, half a request included, cannot keep others out. */
function boundConnections(server: Server): void {
  /** Those that wait for a request, the one that has waited longest first. */
  const idle = new Set<Socket>();
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    idle.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      idle.delete(socket);
    });
    if (open.size > MOST_CONNECTIONS) (idle.values().next().value ?? socket).destroy();
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (open.has(socket)) idle.add(socket);
    });
  });
}

async function answer(pages: PagesByPath, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '/', headers, socket } = request;
  const [path = '', query = ''] = url.split('?', 2);
  const asked = { query: new URLSearchParams(query), from: socket.remoteAddress, headers };
  const page = await pageFor(pages, method, path, asked);
  const zips = page.compress === true && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(headers['accept-encoding'] ?? '');
  const body = zips ? await compressed(page.body) : Buffer.from(page.body);
  response.writeHead(page.status, {
    'Content-Type': page.type,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...page.headers,
    ...(page.compress === true ? { Vary: 'Accept-Encoding' } : {}),
    ...(zips ? { 'Content-Encoding': 'gzip' } : {}),
    ...(page.status === 405 ? { Allow: 'GET, HEAD', Connection: 'close' } : {}),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

async function compressed(text: string): Promise<Buffer> {
  const { gzip } = await import('node:zlib');
  return promisify<string, object, Buffer>(gzip)(text, { level: 4 });
}

async function pageFor(
  pages: PagesByPath,
  method: string | undefined,
  path: string,
  request: PageRequest,
): Promise<Page> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: TEXT, body: 'only GET and HEAD\n' };
  const make = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (!make) return { status: 404, type: TEXT, body: `there are: ${Object.keys(pages).join(', ')}\n` };
  try {
    return await make(request);
  } catch {
    // What went wrong may quote anything; it is for the log, not for whoever asks here.
    return { status: 500, type: TEXT, body: 'internal error\n' };
  }
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'another program has this port; choose another, or end that program';
  if (error.code === 'EADDRNOTAVAIL') return 'this host does not have that address; choose one of its own';
  if (error.code === 'EACCES') return 'ports below 1024 need privileges; choose a higher one';
  return error.code ?? error.message;
}
