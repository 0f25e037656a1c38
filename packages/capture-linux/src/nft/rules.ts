/** The table of a device: what stands in it from the start, and the rules and elements that come and go; pure. */
import { type DiversionRules, StunmeshError } from '@stunmesh/core/api';
import { formatEndpoint, parseAddress, parseEndpoint } from '@stunmesh/core/net';
import { BASE, drop, half, ifField, ifInSet, ifMeta, load, META_KEY, writeUdp } from './expressions.js';
import {
  type FoundRule,
  HOOKS,
  type NftMessage,
  newChain,
  newElements,
  newRule,
  newSet,
  newTable,
} from './messages.js';

const PREFIX = 'stunmesh_';
export const tableOf = (device: string): string => `${PREFIX}${device}`;
/** undefined: the table is not ours. */
export const deviceOf = (table: string): string | undefined =>
  table.startsWith(PREFIX) ? table.slice(PREFIX.length) : undefined;

/** Around conntrack, which is at -200: it sees one flow, that of the other port. */
const PRIORITY = { out: -310, in: -150 } as const;
const FAMILY = { 4: 2, 6: 10 } as const;
const PROTOCOL = { icmp: 1, udp: 17, icmp6: 58 } as const;
/** In the IP headers. */
const SOURCE = { 4: 12, 6: 8 } as const;
const DESTINATION = { 4: 16, 6: 24 } as const;
const UDP = { source: 0, destination: 2 } as const;
/** nft(8)'s numbers of types; those of a key of several are put together by six bits each. */
const TYPE = { 4: 7, 6: 8, port: 13 } as const;
const keyOf = (...types: readonly number[]) => types.reduce((sum, type) => (sum << 6) | type, 0);
const MUFFLED = { 4: 'muffled4', 6: 'muffled6' } as const;
const HUSHED = 'hushed';
/** "Port unreachable": type and code, and where the port stands that was asked for, behind the headers that are quoted. */
const UNREACHABLE = {
  4: { protocol: PROTOCOL.icmp, typeAndCode: [3, 3], portAt: 8 + 20 + UDP.destination },
  6: { protocol: PROTOCOL.icmp6, typeAndCode: [1, 4], portAt: 8 + 40 + UDP.destination },
} as const;
const FAMILIES = [4, 6] as const;

/** Makes the table; refused where there is one. */
export function setUp(device: string): readonly NftMessage[] {
  const table = tableOf(device);
  return [
    newTable(table),
    newChain(table, 'out', HOOKS.output, PRIORITY.out),
    newChain(table, 'in', HOOKS.prerouting, PRIORITY.in),
    newSet(table, MUFFLED[4], 1, keyOf(TYPE[4], TYPE.port, TYPE.port), 12),
    newSet(table, MUFFLED[6], 2, keyOf(TYPE[6], TYPE.port, TYPE.port), 24),
    newSet(table, HUSHED, 3, TYPE.port, 2),
    ...FAMILIES.map((family) =>
      newRule(
        table,
        'in',
        [
          ...ifUdp(family),
          load(BASE.network, SOURCE[family], family === 4 ? 4 : 16),
          load(BASE.transport, UDP.source, 2, family === 4 ? 1 : 4),
          load(BASE.transport, UDP.destination, 2, family === 4 ? 2 : 5),
          ifInSet(MUFFLED[family]),
          drop(),
        ],
        'stunmesh muffle',
      ),
    ),
    ...FAMILIES.map((family) =>
      newRule(
        table,
        'out',
        [
          ...ifMeta(META_KEY.family, FAMILY[family]),
          ...ifMeta(META_KEY.protocol, UNREACHABLE[family].protocol),
          ...ifField(BASE.transport, 0, Uint8Array.from(UNREACHABLE[family].typeAndCode)),
          load(BASE.transport, UNREACHABLE[family].portAt, 2),
          ifInSet(HUSHED),
          drop(),
        ],
        'stunmesh hush',
      ),
    ),
  ];
}

const ifUdp = (family: 4 | 6) => [
  ...ifMeta(META_KEY.family, FAMILY[family]),
  ...ifMeta(META_KEY.protocol, PROTOCOL.udp),
];

/** The rules of a diversion, in both directions. Errors: ERR_CAPTURE_FILTER for what is no address. */
export function diversionRules({ device, localPort, sourcePort, remote }: DiversionRules): readonly NftMessage[] {
  const table = tableOf(device);
  const address = bytesOf(remote.address);
  const comment = describe({ device, localPort, sourcePort, remote });
  const out = [
    ...ifUdp(remote.family),
    ...ifField(BASE.network, DESTINATION[remote.family], address),
    ...ifField(BASE.transport, UDP.source, half(localPort)),
    ...ifField(BASE.transport, UDP.destination, half(remote.port)),
    ...writeUdp(UDP.source, half(sourcePort)),
  ];
  const back = [
    ...ifUdp(remote.family),
    ...ifField(BASE.network, SOURCE[remote.family], address),
    ...ifField(BASE.transport, UDP.source, half(remote.port)),
    ...ifField(BASE.transport, UDP.destination, half(sourcePort)),
    ...writeUdp(UDP.destination, half(localPort)),
  ];
  return [newRule(table, 'out', out, comment), newRule(table, 'in', back, comment)];
}

function describe({ localPort, sourcePort, remote }: DiversionRules): string {
  return `stunmesh divert ${localPort} ${sourcePort} ${formatEndpoint({ ...remote })}`;
}

export interface FoundDiversion extends DiversionRules {
  readonly rules: readonly FoundRule[];
}

/** The diversions among a device's rules: those that stand in both directions. */
export function readDiversions(device: string, rules: readonly FoundRule[]): readonly FoundDiversion[] {
  const byComment = new Map<string, FoundRule[]>();
  for (const rule of rules)
    if (rule.table === tableOf(device)) byComment.set(rule.comment, [...(byComment.get(rule.comment) ?? []), rule]);
  return [...byComment].flatMap(([comment, found]) => {
    const [, local, source, place] = /^stunmesh divert (\d+) (\d+) (\S+)$/.exec(comment) ?? [];
    const remote = place === undefined ? undefined : parseEndpoint(place);
    if (!remote || !['out', 'in'].every((chain) => found.some((rule) => rule.chain === chain))) return [];
    return [{ device, localPort: Number(local), sourcePort: Number(source), remote, rules: found }];
  });
}

/** The element that silences an endpoint towards a port. */
export function muffleElement(
  device: string,
  { localPort, remote }: Pick<DiversionRules, 'localPort' | 'remote'>,
  ms: number,
): NftMessage {
  const padding = [0, 0];
  const key = Uint8Array.of(
    ...bytesOf(remote.address),
    ...half(remote.port),
    ...padding,
    ...half(localPort),
    ...padding,
  );
  return newElements(tableOf(device), MUFFLED[remote.family], [key], ms);
}

export const hushElements = (device: string, ports: readonly number[], ms: number): NftMessage =>
  newElements(tableOf(device), HUSHED, ports.map(half), ms);

function bytesOf(address: string): Uint8Array {
  const bytes = parseAddress(address);
  if (!bytes)
    throw new StunmeshError('ERR_CAPTURE_FILTER', `no rule can be made for ${address}, which is no IP address`);
  return bytes;
}
