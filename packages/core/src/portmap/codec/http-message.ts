/** HTTP/1.1 requests to a router and its answers, bounded and without redirects (F55); pure. */
import { formatHost, type HttpLocation } from './http-location.js';

/** Head and body together. */
export const MOST_HTTP_BYTES = 65_536;
const MOST_HEAD_BYTES = 8_192;
const HEAD_END = Buffer.from('\r\n\r\n');

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** A GET, or a POST of a SOAP call. */
export function formatHttpRequest(
  at: HttpLocation,
  post?: { readonly action: string; readonly body: string },
): Uint8Array {
  const bytes = Buffer.from(post?.body ?? '');
  const lines = [
    `${post ? 'POST' : 'GET'} ${at.path} HTTP/1.1`,
    `Host: ${formatHost(at)}`,
    'Connection: close',
    ...(post
      ? ['Content-Type: text/xml; charset="utf-8"', `SOAPAction: ${post.action}`, `Content-Length: ${bytes.length}`]
      : []),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

interface Head {
  readonly status: number;
  readonly chunked: boolean;
  readonly length: number | undefined;
  readonly end: number;
}

export interface HttpReader {
  /** `more` once the answer needs more bytes; undefined: it is none, or too large. */
  push(bytes: Uint8Array): HttpAnswer | 'more' | undefined;
  /** The connection ended. */
  end(): HttpAnswer | undefined;
}

/** Each byte is looked at a bounded number of times, however small the pieces. */
export function createHttpReader(): HttpReader {
  const buffer = Buffer.alloc(MOST_HTTP_BYTES);
  let filled = 0;
  let head: Head | undefined;

  const finish = ({ status, end, chunked, length }: Head): HttpAnswer | undefined => {
    const rest = buffer.subarray(end, length === undefined ? filled : end + length);
    const body = chunked ? joinChunks(rest) : rest;
    return body && { status, body: body.toString('utf8') };
  };

  return {
    push(bytes) {
      if (filled + bytes.length > MOST_HTTP_BYTES) return undefined;
      const from = Math.max(0, filled - HEAD_END.length);
      buffer.set(bytes, filled);
      filled += bytes.length;
      if (!head) {
        const end = buffer.subarray(0, filled).indexOf(HEAD_END, from);
        if (end < 0) return filled > MOST_HEAD_BYTES ? undefined : 'more';
        head = parseHead(buffer.toString('latin1', 0, end), end + HEAD_END.length);
        if (!head) return undefined;
      }
      if (head.chunked)
        // The last chunk, without trailers.
        return buffer.toString('latin1', Math.max(head.end, filled - 5), filled) === '0\r\n\r\n'
          ? finish(head)
          : 'more';
      if (head.length === undefined) return 'more';
      if (head.end + head.length > MOST_HTTP_BYTES) return undefined;
      return filled >= head.end + head.length ? finish(head) : 'more';
    },
    end: () => (head && !head.chunked && head.length === undefined ? finish(head) : undefined),
  };
}

function parseHead(text: string, end: number): Head | undefined {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return undefined;
  let length: number | undefined;
  let chunked = false;
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name.toLowerCase() === 'content-length') {
      if (!/^\d{1,7}$/.test(value) || length !== undefined) return undefined;
      length = Number(value);
    }
    if (name.toLowerCase() === 'transfer-encoding') {
      if (value.toLowerCase() !== 'chunked') return undefined;
      chunked = true;
    }
  }
  return chunked && length !== undefined ? undefined : { status: Number(status), chunked, length, end };
}

function joinChunks(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size =
      lineEnd < 0 ? undefined : /^([0-9a-f]{1,5})(?:[ \t]*;.*)?$/i.exec(bytes.toString('latin1', at, lineEnd))?.[1];
    if (size === undefined) return undefined;
    const length = Number.parseInt(size, 16);
    if (length === 0) return Buffer.concat(parts);
    const end = lineEnd + 2 + length;
    if (end + 2 > bytes.length || bytes.toString('latin1', end, end + 2) !== '\r\n') return undefined;
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
