/** What a router may still have of us, as the state file keeps it: enough to renew or to release it (F52). */
import type { Family } from '../api/index.js';
import { parseAddress } from '../net/index.js';
import type { MappingHandle } from '../portmap/mapping.js';
import type { PortMappingEntry } from './port-mapping.js';

export interface SavedMapping {
  readonly protocol: string;
  readonly gateway: string;
  /** PCP's, in hex. */
  readonly nonce?: string;
  /** Outside, and inside. */
  readonly port: number;
  readonly internal: number;
}

const MEMBERS = [
  [4, 'portmap'],
  [6, 'portmap6'],
] as const satisfies readonly (readonly [Family, string])[];

export function savedMappings({ known }: PortMappingEntry): Partial<Record<'portmap' | 'portmap6', SavedMapping>> {
  const saved: Partial<Record<'portmap' | 'portmap6', SavedMapping>> = {};
  for (const [family, member] of MEMBERS) {
    const handle = known.get(family);
    if (!handle) continue;
    const { protocol, gateway, nonce, externalPort, internalPort } = handle;
    saved[member] = {
      protocol,
      gateway,
      ...(nonce ? { nonce: Buffer.from(nonce).toString('hex') } : {}),
      port: externalPort,
      internal: internalPort,
    };
  }
  return saved;
}

/** What does not fit is passed over. */
export function restoreMappings({ known }: PortMappingEntry, state: Readonly<Record<string, unknown>>): void {
  for (const [family, member] of MEMBERS) {
    const handle = parseHandle(family, state[member]);
    if (handle) known.set(family, handle);
  }
}

function parseHandle(family: Family, value: unknown): MappingHandle | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { protocol, gateway, nonce, port, internal } = value as Partial<Record<string, unknown>>;
  if (protocol !== 'pcp' && protocol !== 'nat-pmp' && protocol !== 'upnp') return undefined;
  if (typeof gateway !== 'string' || parseAddress(gateway)?.length !== (family === 4 ? 4 : 16)) return undefined;
  if (!isPort(port) || !isPort(internal)) return undefined;
  const known = typeof nonce === 'string' && /^[0-9a-f]{24}$/.test(nonce);
  return {
    protocol,
    gateway,
    family,
    internalPort: internal,
    externalPort: port,
    ...(known ? { nonce: Uint8Array.from(Buffer.from(nonce, 'hex')) } : {}),
  };
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536;
}
