/** Makes a handshake happen at once: punch, set, kick, and renew where WireGuard is in its pause (F18, F18b). */
import { type Device, type Endpoint, type Family, hasCode, isStunmeshError, type Peer } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { hasSession } from '../../peers/health.js';
import { createFault, type DeviceEntry, type PeerEntry } from '../../peers/peer-table.js';
import { createGate } from '../../runtime/semaphore.js';
import type { Controllers } from '../device-components.js';
import type { Echoes } from '../ping-monitor/echoes.js';
import { kickTargets } from './inner-address.js';

/** A kick after which the tx counter has not grown by then met WireGuard's pause (F18). */
export const PAUSE_TELLS_MS = 150;
/** Both sides see the other's record at the same moment. The one with the larger key holds its renewal back by this, so that it
 * finds the other's handshake already under way: renewed then, it would forget the session that the other believes in. */
const YIELD_MS = 350;
/** Whoever was heard so recently is in the middle of a handshake. */
const HANDSHAKE_MS = 1_000;
/** At most one endpoint change per peer in this time. */
export const WRITE_GAP_MS = 3_000;
/** A punch: not STUN and not WireGuard, so that the peer's WireGuard drops it. */
const PUNCH = Uint8Array.of(0);
const STEP_MS = 5_000;
/** Sockets and renewals under way at once, per daemon. */
const MOST_AT_ONCE = 8;

export interface Connector {
  /** Opens our NAT towards these endpoints. Never rejects. */
  punch(device: DeviceEntry, endpoints: readonly Endpoint[]): Promise<void>;
  /** Sends one small packet into the tunnel, so that WireGuard shakes hands. Never rejects. */
  kick(device: DeviceEntry, peer: PeerEntry): Promise<void>;
  /** This host moved. Userspace WireGuard goes on sending from the address that is gone (up to 17 s were measured) until it is told
   * an endpoint, so each peer is told its present one; nothing else changes by it. Never rejects. */
  forgetSource(device: DeviceEntry): Promise<void>;
  /** One attempt: all endpoints punched, the first one set, the handshake begun. Rejects with WireGuard's errors. */
  attempt(device: DeviceEntry, peer: PeerEntry, endpoints: readonly Endpoint[]): Promise<void>;
}

export interface ConnectorParts {
  /** Brings the table up to date from a fresh dump. */
  read(device: DeviceEntry): Promise<boolean>;
  readonly echoes: Pick<Echoes, 'send'>;
  /** A kick was answered. */
  heard(device: DeviceEntry, peer: PeerEntry): void;
}

export function createConnector(c: Controllers, parts: ConnectorParts): Connector {
  const { read } = parts;
  // Apart, so that a crowd of renewals keeps nobody's NAT closed.
  const punches = createGate(MOST_AT_ONCE);
  const renewals = createGate(MOST_AT_ONCE);

  const punch: Connector['punch'] = async (device, endpoints) => {
    for (const family of [4, 6] as const) {
      const targets = endpoints.filter((e) => e.family === family);
      if (targets.length > 0) await punches.run(() => punchFamily(c, device, family, targets));
    }
  };

  const kick: Connector['kick'] = async (device, peer) => {
    if (!device.facts || !peer.wg) return;
    await kickPeer(c, parts, device, device.facts, peer, peer.wg);
  };

  return {
    punch,
    kick,
    async forgetSource(device) {
      // Read first: WireGuard may have followed a peer since the last beat.
      if (!(await read(device))) return;
      using deadline = c.clock.deadline(STEP_MS, c.signal);
      const writes = device.peers.map(async (peer) => {
        const endpoint = peer.wg?.endpoint;
        if (endpoint) await c.writer.set(device.name, peer.publicKey, endpoint, deadline.signal);
      });
      await Promise.all(writes).catch((error) => note(c, device, error, device.name));
    },
    async attempt(device, peer, endpoints) {
      const [wanted] = endpoints;
      if (!wanted) return;
      await punch(device, allowedPunches(peer, endpoints, c.clock.now()));
      // Look before you set: while we waited WireGuard may have connected or followed the peer (F16, F17).
      if (!(await read(device)) || !peer.wg || peer.phase === 'connected') return;
      await setEndpoint(c, device, peer, wanted);
      const txBefore = peer.wg.txBytes;
      await kick(device, peer);
      await c.clock.sleep(PAUSE_TELLS_MS, c.signal);
      if (!(await read(device)) || !peer.wg) return;
      if (peer.wg.txBytes !== txBefore || !mayRenew(c, peer)) return;
      if ((device.facts?.publicKey ?? '') > peer.publicKey) {
        await c.clock.sleep(YIELD_MS, c.signal);
        if (!(await read(device)) || !mayRenew(c, peer)) return;
      }
      await renewals.run(() => renew(c, device, peer));
      if (await read(device)) await kick(device, peer);
    },
  };
}

/** The first of these endpoints, as many as may be punched now (F77). */
export function allowedPunches(peer: PeerEntry, endpoints: readonly Endpoint[], now: number): readonly Endpoint[] {
  return endpoints.slice(0, peer.budget.take('punch', now, endpoints.length));
}

async function punchFamily(
  c: Controllers,
  device: DeviceEntry,
  family: Family,
  targets: readonly Endpoint[],
): Promise<void> {
  const facts = device.facts;
  if (!facts || facts.listenPort === 0) return;
  try {
    using deadline = c.clock.deadline(STEP_MS, c.signal);
    await using socket = await c.agent.acquireForSending(family, deadline.signal);
    for (const target of targets)
      await socket.send(PUNCH, target).catch((error) => note(c, device, error, formatEndpoint(target)));
  } catch (error) {
    note(c, device, error, `IPv${family}`);
  }
}

/** A punch or kick that fails is one that was lost: the next attempt comes anyway. */
function note(c: Controllers, device: DeviceEntry, error: unknown, to: string): void {
  if (c.signal.aborted) return;
  c.logger.debug({ device: device.name, to, error }, 'could not send a packet');
}

async function setEndpoint(c: Controllers, device: DeviceEntry, peer: PeerEntry, wanted: Endpoint): Promise<void> {
  const now = c.clock.now();
  if (sameEndpoint(peer.wg?.endpoint, wanted) || now < peer.handsOffUntil) return;
  if (peer.lastWrite && now - peer.lastWrite.at < WRITE_GAP_MS) return;
  using deadline = c.clock.deadline(STEP_MS, c.signal);
  // Noted before the write, for a reading may show it before the call returns.
  const before = peer.lastWrite;
  peer.lastWrite = { endpoint: wanted, at: now };
  try {
    await c.writer.set(device.name, peer.publicKey, wanted, deadline.signal);
  } catch (error) {
    peer.lastWrite = before;
    throw error;
  }
  peer.endpointWrites += 1;
  c.logger.info({ device: device.name, peer: peer.name, endpoint: formatEndpoint(wanted) }, 'endpoint set');
  c.emit('endpoint', device, peer, { endpoint: formatEndpoint(wanted) });
}

/** Only a peer without a session may be renewed: on a live one it is harm (F18b). */
function mayRenew(c: Controllers, peer: PeerEntry): boolean {
  const now = c.clock.now();
  const { lastRxAt } = peer.life;
  if (lastRxAt !== undefined && now - lastRxAt < HANDSHAKE_MS) return false;
  return (
    c.settings().renew &&
    peer.renewalsLeft > 0 &&
    peer.budget.nextAt('renewal', now) <= now &&
    peer.phase !== 'connected' &&
    !hasSession(peer.life, now) &&
    now >= peer.handsOffUntil &&
    peer.wg?.endpoint !== undefined
  );
}

async function renew(c: Controllers, device: DeviceEntry, peer: PeerEntry): Promise<void> {
  const endpoint = peer.wg?.endpoint;
  if (!endpoint) return;
  using deadline = c.clock.deadline(STEP_MS, c.signal);
  peer.renewalsLeft -= 1;
  peer.budget.take('renewal', c.clock.now());
  try {
    await c.control.renewPeer(device.name, peer.publicKey, endpoint, deadline);
    peer.renewals += 1;
    peer.lastWrite = { endpoint, at: peer.lastWrite?.at ?? c.clock.now() };
    c.emit('renewed', device, peer, {});
  } catch (error) {
    if (c.signal.aborted || hasCode(error, 'ERR_DEADLINE')) return;
    if (isStunmeshError(error)) peer.fault = createFault(error, c.clock.wallNow());
    // A peer that must not or cannot be renewed is left to WireGuard's own five seconds.
    peer.renewalsLeft = 0;
    c.logger.debug({ device: device.name, peer: peer.name, error }, 'handshake pause not shortened');
  }
}

async function kickPeer(
  c: Controllers,
  parts: ConnectorParts,
  device: DeviceEntry,
  facts: Device,
  peer: PeerEntry,
  wg: Peer,
): Promise<void> {
  try {
    const own = (await c.underlay.interfaces()).find((i) => i.name === facts.realName)?.addresses ?? [];
    const { target } = peer.config.ping;
    const targets = kickTargets({
      peer: wg,
      peers: facts.peers,
      ...(target === undefined ? {} : { pingTarget: target }),
      deviceAddresses: own.map((a) => `${a.address}/${a.prefixLength}`),
    });
    for (const to of targets) {
      if (to.includes(':') && !(await c.underlay.leadsInside(to))) continue;
      // TTL 1: the peer itself may answer, nobody behind it is troubled.
      await parts.echoes.send({ device: facts.realName, to, ttl: 1, onReply: () => parts.heard(device, peer) });
      return;
    }
    await pulseKeepalive(c, device, peer, wg);
  } catch (error) {
    note(c, device, error, peer.name);
  }
}

/** Without any address inside the tunnel: turning the persistent keepalive on sends one at once. */
async function pulseKeepalive(c: Controllers, device: DeviceEntry, peer: PeerEntry, wg: Peer): Promise<void> {
  using deadline = c.clock.deadline(STEP_MS, c.signal);
  const usual = wg.keepaliveSeconds;
  await c.control.setPeerKeepalive(device.name, peer.publicKey, usual === 0 ? 25 : 0, deadline);
  await c.control.setPeerKeepalive(device.name, peer.publicKey, usual, deadline);
}
