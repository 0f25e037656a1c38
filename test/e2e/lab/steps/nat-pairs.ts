/** Which kinds of NAT plain hole punching connects: what the grid shows to happen, and what doctor has to foretell. */
import { NAT_KINDS, type OrderlyNatKind } from '../index.js';

export interface NatPair {
  readonly a: OrderlyNatKind;
  readonly b: OrderlyNatKind;
  readonly connects: boolean;
}

/** With whom each kind connects, itself included. */
const CONNECTS: Readonly<Record<OrderlyNatKind, readonly OrderlyNatKind[]>> = {
  none: ['none', 'full', 'restricted', 'port-restricted', 'symmetric'],
  full: ['none', 'full', 'restricted', 'port-restricted', 'symmetric'],
  restricted: ['none', 'full', 'restricted', 'port-restricted', 'symmetric'],
  'port-restricted': ['none', 'full', 'restricted', 'port-restricted'],
  symmetric: ['none', 'full', 'restricted'],
};

/** All 15 unordered pairs. */
export const NAT_PAIRS: readonly NatPair[] = NAT_KINDS.flatMap((a, i) =>
  NAT_KINDS.slice(i).map((b) => ({ a, b, connects: CONNECTS[a].includes(b) })),
);
