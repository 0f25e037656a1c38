/** Addresses of pages on a router: plain HTTP, and a numeric host that is the router itself (F55); pure. */
import { formatAddress, parseAddress } from '../../net/index.js';

export interface HttpLocation {
  /** Canonical. */
  readonly host: string;
  readonly port: number;
  /** Begins with "/"; printable ASCII without spaces. */
  readonly path: string;
}

const MOST_CHARACTERS = 512;
/** No user, no name, nothing that could end a line of a request. */
const ABSOLUTE = /^http:\/\/(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?(\/[!-~]*)?$/i;
const RELATIVE = /^[!-~]+$/;

/** undefined: it is none of plain HTTP at a numeric address. */
export function parseHttpLocation(text: string): HttpLocation | undefined {
  const match = text.length <= MOST_CHARACTERS ? ABSOLUTE.exec(text) : null;
  if (!match) return undefined;
  const [, six, four, digits, path = '/'] = match;
  const address = parseAddress(six ?? four ?? '');
  const port = Number(digits ?? '80');
  if (!address || (address.length === 4) !== (four !== undefined) || port < 1 || port > 65_535) return undefined;
  return { host: formatAddress(address), port, path };
}

/** What a page at `base` means by this; undefined: nothing of plain HTTP. The host may be another than that of the page. */
export function resolveHttpLocation(base: HttpLocation, text: string): HttpLocation | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return parseHttpLocation(text);
  if (text.length > MOST_CHARACTERS || !RELATIVE.test(text) || text.startsWith('//')) return undefined;
  if (text.startsWith('/')) return { ...base, path: text };
  return { ...base, path: base.path.slice(0, base.path.lastIndexOf('/') + 1) + text };
}

/** As the header "Host" has it. */
export function formatHost({ host, port }: HttpLocation): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
