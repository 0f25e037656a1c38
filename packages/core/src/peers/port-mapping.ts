/** What a router maps to WireGuard's port, as the table keeps it. */
import type { Family } from '../api/index.js';
import type { Mapping, MappingHandle } from '../portmap/mapping.js';
import type { Fault } from './fault.js';

export interface PortMappingEntry {
  /** Granted, and as far as is known still there. */
  readonly granted: Map<Family, GrantedMapping>;
  /** What a router may still have of this or of an earlier process (F52). */
  readonly known: Map<Family, MappingHandle>;
  /** Why there is none. */
  fault: Fault | undefined;
  /** WireGuard goes on without us: what has a lease is not released at the end (F59). */
  outlivesUs: boolean;
}

export interface GrantedMapping {
  readonly mapping: Mapping;
  /** When its lease ends, milliseconds since 1970; undefined: never. */
  readonly wallUntil: number | undefined;
}

export function createPortMappingEntry(): PortMappingEntry {
  return { granted: new Map(), known: new Map(), fault: undefined, outlivesUs: false };
}
