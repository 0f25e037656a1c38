/** Endpoints as text: "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:51820". */
import type { Endpoint } from '../api/endpoint.js';
import { familyOf, formatAddress, parseAddress } from './address.js';

/** An endpoint from bytes of an address and a port. */
export function createEndpoint(address: Uint8Array, port: number): Endpoint {
  return { family: familyOf(address), address: formatAddress(address), port };
}

/** The inverse of formatEndpoint, strict: a numeric address and a port of 0 to 65535; undefined otherwise. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)(?:%([A-Za-z0-9_.-]{1,32}))?\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, six, zone, four, digits] = match;
  const bytes = parseAddress(six ?? four ?? '');
  const port = Number(digits);
  if (!bytes || port > 65535 || (bytes.length === 4) !== (four !== undefined)) return undefined;
  const endpoint = createEndpoint(bytes, port);
  return zone === undefined ? endpoint : { ...endpoint, zone };
}

/** Canonical text of an endpoint. */
export function formatEndpoint(endpoint: Endpoint): string {
  const zone = endpoint.zone === undefined ? '' : `%${endpoint.zone}`;
  return endpoint.family === 4
    ? `${endpoint.address}:${endpoint.port}`
    : `[${endpoint.address}${zone}]:${endpoint.port}`;
}

export function sameEndpoint(a: Endpoint | undefined, b: Endpoint | undefined): boolean {
  if (!a || !b) return a === b;
  return a.family === b.family && a.address === b.address && a.port === b.port && a.zone === b.zone;
}
