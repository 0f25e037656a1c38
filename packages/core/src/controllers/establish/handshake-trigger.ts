/** Sends one small packet into the tunnel, so that WireGuard shakes hands (F18). */
import { countEcho } from '../../peers/echo-count.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';
import type { Echoes } from '../ping-monitor/echoes.js';
import { innerAddresses } from './inner-address.js';

const STEP_MS = 5_000;
/** What a keepalive is turned to for a moment where none is on. */
const PULSE_SECONDS = 25;

export interface HandshakeTrigger {
  /** Never rejects. */
  trigger(peer: PeerEntry): Promise<void>;
}

export interface HandshakeTriggerComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'underlay' | 'control' | 'signal'> {
  readonly echoes: Pick<Echoes, 'send'>;
  /** The packet was answered. */
  onEchoReply(peer: PeerEntry): void;
}

export function createHandshakeTrigger(components: HandshakeTriggerComponents): HandshakeTrigger {
  const { device, clock, logger, underlay, control, signal, echoes } = components;

  /** Without any address inside the tunnel: turning the persistent keepalive on sends one at once. */
  const pulseKeepalive = async (peer: PeerEntry, usual: number): Promise<void> => {
    using deadline = clock.deadline(STEP_MS, signal);
    await control.setPeerKeepalive(device.name, peer.publicKey, usual === 0 ? PULSE_SECONDS : 0, deadline);
    await control.setPeerKeepalive(device.name, peer.publicKey, usual, deadline);
  };

  return {
    async trigger(peer) {
      const { facts } = device;
      const { observed } = peer;
      if (!facts || !observed) return;
      try {
        const own = (await underlay.interfaces()).find((i) => i.name === facts.realName)?.addresses ?? [];
        const { target } = peer.config.ping;
        const addresses = innerAddresses({
          peer: observed,
          peers: facts.peers,
          ...(target === undefined ? {} : { pingTarget: target }),
          deviceAddresses: own.map((a) => `${a.address}/${a.prefixLength}`),
        });
        for (const to of addresses) {
          if (to.includes(':') && !(await underlay.leadsInside(to))) continue;
          // TTL 1: the peer itself may answer, nobody behind it is troubled.
          const onReply = () => components.onEchoReply(peer);
          countEcho(peer, clock.now());
          await echoes.send({ device: facts.realName, to, ttl: 1, onReply });
          return;
        }
        await pulseKeepalive(peer, observed.keepaliveSeconds);
      } catch (error) {
        // One that fails is one that was lost: the next attempt comes anyway.
        if (!signal.aborted) logger.debug({ device: device.name, to: peer.name, error }, 'could not send a packet');
      }
    },
  };
}
