/** A small HTTP server for a few read-only pages, such as /metrics and /healthz; loaded only when it is asked for. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { type Endpoint, StunmeshError } from '../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress } from '../net/index.js';
import { type SharedBody, sharedBody } from './shared-body.js';

export interface Page {
  readonly status: number;
  /** The Content-Type. */
  readonly type: string;
  /** Shared, where many may wait for the same one: each that is not read yet is held until it is. */
  readonly body: string | SharedBody;
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
  /** "1.1". */
  readonly httpVersion: string;
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
    (request, response) => {
      if (takesTurn(request, response)) void answer(pages, request, response);
    },
  );
  const takesTurn = boundConnections(server);
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

/** Whoever holds connections open without asking anything, half a request included, cannot keep others out; and whoever asks again
 * before the answer to the last request is gone cannot have answers piled up here, which it need not read: its connection ends.
 * Scrapers and browsers never do that. Of each request it says whether it is to be answered. */
function boundConnections(server: Server): (request: IncomingMessage, response: ServerResponse) => boolean {
  /** Those without an unanswered request, the one that has waited longest first. */
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
  return ({ socket }, response) => {
    // What came in one piece with the first of them still arrives after the end, request by request.
    if (!idle.delete(socket)) {
      socket.destroy();
      return false;
    }
    response.once('close', () => {
      if (open.has(socket) && !socket.destroyed) idle.add(socket);
    });
    return true;
  };
}

async function answer(pages: PagesByPath, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '/', headers, httpVersion, socket } = request;
  const [path = '', query = ''] = url.split('?', 2);
  const asked = { query: new URLSearchParams(query), from: socket.remoteAddress, headers, httpVersion };
  const page = await pageFor(pages, method, path, asked);
  const zips = page.compress === true && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(headers['accept-encoding'] ?? '');
  const shared = typeof page.body === 'string' ? sharedBody(page.body) : page.body;
  const body = zips ? await shared.gzipped() : shared.plain;
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
