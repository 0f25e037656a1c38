/** Which address families a `protocol` of the configuration means. */
import type { Family } from '../api/index.js';
import type { InterfaceProtocol, PeerProtocol } from '../config/index.js';

/** Of an interface: those that are discovered and published. */
export const DEVICE_FAMILIES: Readonly<Record<InterfaceProtocol, readonly Family[]>> = {
  ipv4: [4],
  ipv6: [6],
  dualstack: [4, 6],
};

/** Of a peer: those of its addresses that are used, the preferred one first. */
export const PEER_FAMILIES: Readonly<Record<PeerProtocol, readonly [Family, ...Family[]]>> = {
  ipv4: [4],
  ipv6: [6],
  prefer_ipv4: [4, 6],
  prefer_ipv6: [6, 4],
};
