/** What `status` tells of a port that a router maps. */
import { formatEndpoint } from '../net/index.js';
import type { Fault } from '../peers/fault.js';
import type { DeviceEntry } from '../peers/peer-table.js';
import { formatAge } from '../runtime/terminal-text.js';

export interface PortMappingSnapshot {
  readonly state: 'asking' | 'mapped' | 'failed';
  readonly mappings: readonly {
    readonly family: 'ipv4' | 'ipv6';
    readonly protocol: string;
    readonly gateway: string;
    /** Where peers come in. */
    readonly endpoint: string;
    /** When its lease ends, milliseconds since 1970; absent: never. */
    readonly until?: number;
  }[];
  readonly error?: Fault;
}

/** No member while it is off. */
export function portMappingSnapshot({ config, portMapping }: Pick<DeviceEntry, 'config' | 'portMapping'>): {
  readonly portMapping?: PortMappingSnapshot;
} {
  const { granted, fault } = portMapping;
  if (config.portMapping.length === 0) return {};
  const mappings = [...granted].map(([family, { mapping, wallUntil }]) => ({
    family: `ipv${family}` as const,
    protocol: mapping.protocol,
    gateway: mapping.gateway,
    endpoint: formatEndpoint({ family, address: mapping.externalAddress, port: mapping.externalPort }),
    ...(wallUntil === undefined ? {} : { until: wallUntil }),
  }));
  const state = mappings.length > 0 ? 'mapped' : fault ? 'failed' : 'asking';
  return { portMapping: { state, mappings, ...(fault ? { error: fault } : {}) } };
}

/** "the router 192.168.1.1 maps 203.0.113.1:23456 to us (pcp, for 1 h)". */
export function portMappingLines(shown: PortMappingSnapshot | undefined, wallNow: number): readonly string[] {
  if (!shown) return [];
  const lines = shown.mappings.map(({ protocol, gateway, endpoint, until }) => {
    const lease = until === undefined ? 'until it is deleted' : `for ${formatAge(until - wallNow)}`;
    return `the router ${gateway} maps ${endpoint} to us (${protocol}, ${lease})`;
  });
  const { error } = shown;
  return error ? [...lines, `port_mapping: ${error.message} [${error.code}]`] : lines;
}
