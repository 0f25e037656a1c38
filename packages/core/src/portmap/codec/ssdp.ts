/** SSDP: the question whether a router is an Internet Gateway Device, and its answer (UPnP Device Architecture 1.1 section 1.3); pure. */

export const SSDP_PORT = 1900;
const MOST_BYTES = 2_048;
const IGD = /^urn:schemas-upnp-org:device:InternetGatewayDevice:[12]$/;

/** Device types that are asked for: a device of version 2 should answer for version 1 too, and not each does. */
export const GATEWAY_TYPES = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
] as const;

/** To the router alone (section 1.3.2). MX belongs to searches of all devices; some do not answer without it. */
export function formatSsdpSearch(gateway: string, type: (typeof GATEWAY_TYPES)[number]): Uint8Array {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${gateway}:${SSDP_PORT}`,
    'MAN: "ssdp:discover"',
    'MX: 1',
    `ST: ${type}`,
  ];
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`);
}

/** Where the description of a gateway device is, as its answer says; undefined: it is no such answer. */
export function parseSsdpAnswer(bytes: Uint8Array): { readonly location: string } | undefined {
  if (bytes.length > MOST_BYTES) return undefined;
  const [status = '', ...lines] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    .split('\r\n');
  if (!/^HTTP\/1\.[01] 200\b/.test(status)) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const location = headers.get('location');
  return location !== undefined && IGD.test(headers.get('st') ?? '') ? { location } : undefined;
}
