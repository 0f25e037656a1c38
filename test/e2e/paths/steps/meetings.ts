/** Pairs with several ways to each other, and which one they are to take: the tests hold them to generous limits, the bench to the targets. */
import { type Host, type Lab, type LabSpec, type NatKind, WIREGUARD_PORT } from '../../lab/index.js';
import { cutFamily } from '../../lab/steps/cut.js';
import { startDecoy } from '../../lab/steps/decoy.js';
import { dualStack, type Meeting, pair, shellStore } from './meeting.js';

const lanAddress = ({ plan }: Host): string => `${plan.hostAddress}:${WIREGUARD_PORT}`;
export const ipv4Address = ({ publicAddress }: Host): string => `${publicAddress}:${WIREGUARD_PORT}`;
export const ipv6Address = ({ plan }: Host): string => `[${plan.hostAddress6}]:${WIREGUARD_PORT}`;

export const ONE_LAN: Meeting = {
  name: 'one LAN behind a router without hairpinning',
  spec: { sides: { a: {}, b: { beside: 'a' } }, coturn: [1, 2] },
  from: 'start',
  targetMs: 1000,
  endpointOf: lanAddress,
};

export const HAIRPIN: Meeting = {
  name: 'one LAN behind a router that hairpins',
  spec: { sides: { a: { nats: ['full'], hairpin: true }, b: { beside: 'a' } }, coturn: [1, 2] },
  from: 'start',
  targetMs: 1000,
  endpointOf: lanAddress,
};

export const EQUAL_PREFIXES: Meeting = {
  name: "equal prefixes, a decoy at the peer's LAN address on both sides",
  spec: {
    sides: {
      a: { lan: '192.168.1.0', number: 2, decoy: 3 },
      b: { lan: '192.168.1.0', number: 3, decoy: 2 },
    },
    coturn: [1, 2],
  },
  from: 'start',
  targetMs: 1500,
  prepare: (lab) => Promise.all(pair(lab).map((host) => startDecoy(lab, host))),
  endpointOf: ipv4Address,
};

export const COMMON_INNER: Meeting = {
  name: 'double NAT with a common inner network',
  spec: { sides: { a: { nats: ['port-restricted', 'port-restricted'] }, b: { beside: 'a' } }, coturn: [1, 2] },
  from: 'start',
  targetMs: 1000,
  endpointOf: lanAddress,
};

/** The carrier's NAT forwards: 41820 to the first home, 40820 to the second. */
export const ONE_CARRIER: Meeting = {
  name: "two homes behind one carrier's NAT that hairpins",
  spec: {
    sides: { a: { nats: ['port-restricted', 'full'], hairpin: true }, b: { nats: ['port-restricted'], carrier: 'a' } },
    coturn: [1, 2],
  },
  from: 'start',
  targetMs: 1500,
  endpointOf: (host) => `${host.publicAddress}:${host.name === 'a' ? 41820 : 40820}`,
};

const DUAL: LabSpec = { sides: { a: { ipv6: 'stateful' }, b: { ipv6: 'stateful' } }, coturn: [1, 2] };
/** One family is broken between the sides, and it is the one they prefer. */
export const brokenFamily = (family: 4 | 6): Meeting => ({
  name: `IPv${family} broken on the way, the other good`,
  spec: DUAL,
  from: 'records',
  targetMs: 1000,
  options: dualStack(family === 4 ? 'prefer_ipv4' : 'prefer_ipv6'),
  prepare: (lab) => cutFamily(lab, family),
  endpointOf: family === 4 ? ipv6Address : ipv4Address,
});

export type Accepting = 'both' | 'the earlier' | 'the later';
/** Routers that take in what nobody asked for; the second daemon starts so much later. */
export function accepting(which: Accepting, apartMs: number, store: 'watch' | 'polling'): Meeting {
  const kind = (accepts: boolean): readonly NatKind[] => [accepts ? 'accept' : 'port-restricted'];
  const sides = { a: { nats: kind(which !== 'the later') }, b: { nats: kind(which !== 'the earlier') } };
  const by = store === 'watch' ? 'file store' : 'shell plugin';
  return {
    name: `accepting routers: ${which === 'both' ? 'both' : `${which}'s`}, ${apartMs / 1000} s apart, ${by}`,
    spec: { sides, coturn: [1, 2], routed: true },
    from: 'records',
    targetMs: 3000,
    apartMs,
    ...(store === 'polling' && { options: (lab: Lab) => shellStore(lab) }),
  };
}
