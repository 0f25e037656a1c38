/** Numbers of generic netlink (linux/genetlink.h) and of WireGuard's family (linux/wireguard.h). */

export const FAMILY_NAME = 'wireguard';
export const FAMILY_VERSION = 1;

export const CONTROLLER = { family: 16, version: 1, getFamily: 3, familyId: 1, familyName: 2 } as const;

export const COMMAND = { getDevice: 0, setDevice: 1 } as const;

export const DEVICE = {
  name: 2,
  privateKey: 3,
  publicKey: 4,
  listenPort: 6,
  firewallMark: 7,
  peers: 8,
} as const;

export const PEER = {
  publicKey: 1,
  presharedKey: 2,
  flags: 3,
  endpoint: 4,
  keepalive: 5,
  latestHandshake: 6,
  rxBytes: 7,
  txBytes: 8,
  allowedIps: 9,
} as const;

export const PEER_FLAG = { remove: 1, replaceAllowedIps: 2, updateOnly: 4 } as const;

export const ALLOWED_IP = { family: 1, address: 2, length: 3 } as const;

/** Command, version, two bytes of nothing. */
export const GENERIC_HEADER_BYTES = 4;

export const KEY_BYTES = 32;
