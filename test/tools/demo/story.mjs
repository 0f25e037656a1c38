/** Turns a daemon's snapshots into sentences: what is new in each, told once. */

/**
 * @param {string} host the name of the host that tells
 * @param {(host: string, text: string) => void} tell
 * @returns {(snapshot: any) => void} to be called with each snapshot of that host's daemon
 */
export function createStory(host, tell) {
  /** @type {Map<string, unknown>} */
  const known = new Map();
  const once = (
    /** @type {string} */ what,
    /** @type {any} */ value,
    /** @type {(value: any) => string} */ sentence,
  ) => {
    if (value === undefined || value === 0 || known.get(what) === value) return;
    known.set(what, value);
    tell(host, sentence(value));
  };
  return ({ devices }) => {
    const [device] = devices;
    if (!device) return;
    once('reflexive', device.reflexive?.ipv4, (address) => `reflexive address (by STUN): ${address}`);
    for (const peer of device.peers) {
      once('published', peer.published?.ipv4, () => `sealed a record for ${peer.name} and put it into the folder`);
      once('record', peer.record?.ipv4, (address) => `found the record of ${peer.name}, opened it: ${address}`);
      once('endpoint', peer.endpoint, (endpoint) => `WireGuard's endpoint of ${peer.name} is now ${endpoint}`);
      once('handshake', peer.latestHandshakeAt, () => `WireGuard shook hands with ${peer.name}`);
      once('phase', peer.phase, (phase) => `peer ${peer.name} is ${phase}`);
      once('error', peer.lastError?.code, () => `trouble with ${peer.name}: ${peer.lastError.message}`);
    }
  };
}
