/** The sockets that checks go through: the agent's, one a family, held open so that a record and a check never miss each other. */
import { randomBytes } from 'node:crypto';
import {
  type Endpoint,
  type Family,
  isStunmeshError,
  type StunRequests,
  type StunSendOptions,
} from '../../api/index.js';
import { CheckIds } from '../../paths/check-ids.js';
import { createRandomPool } from '../../paths/random-pool.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { doubling } from '../../runtime/backoff.js';
import type { AgentSocket, MessageHandler } from '../../stun/agent.js';
import type { DeviceComponents } from '../device-components.js';

const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
const ID_BYTES = 12;

export interface CheckSockets {
  /** Opens those that are missing, and gives back those of other families; called at every poll tick. */
  follow(families: readonly Family[]): void;
  /** From now on the requests with these tags are handed over. */
  pass(tags: readonly number[]): void;
  /** Besides WireGuard's port these of ours are heard; undefined: none. */
  hear(ports: StunRequests['ports'] | undefined): void;
  /** Some socket is open. */
  readonly ready: boolean;
  /** None is open, and none can be opened now. */
  readonly failed: boolean;
  createId(family: Family, peer: PeerEntry): Uint8Array;
  /** Whom we asked what this message answers; undefined: nobody. */
  peerOf(message: Uint8Array): PeerEntry | undefined;
  /** A packet that cannot be sent is one that was lost. Never rejects. */
  send(message: Uint8Array, to: Endpoint, options?: StunSendOptions): Promise<void>;
  stop(): Promise<void>;
}

export interface CheckSocketsComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'agent' | 'signal'> {
  readonly handler: MessageHandler;
  /** A socket is open now. */
  opened(): void;
}

interface Held {
  readonly socket: AgentSocket;
  readonly ids: CheckIds<PeerEntry>;
}

export function createCheckSockets(components: CheckSocketsComponents): CheckSockets {
  const { device, clock, logger, agent, signal, handler } = components;
  const held = new Map<Family, Held>();
  const opening = new Map<Family, Promise<void>>();
  const retry = new Map<Family, { readonly failures: number; readonly at: number }>();

  const random = createRandomPool(randomBytes);

  let tags: readonly number[] = [];
  let ports: StunRequests['ports'];
  const tell = (): void => {
    agent
      .passRequests({ tags, ...(ports ? { ports } : {}) }, handler)
      .catch((error) => note(error, 'requests are not handed over'));
  };

  const note = (error: unknown, what: string): void => {
    if (!signal.aborted) logger.debug({ device: device.name, error }, what);
  };

  const release = async (family: Family, one: Held): Promise<void> => {
    if (held.get(family) === one) held.delete(family);
    await one.socket[Symbol.asyncDispose]();
  };

  const drop = (family: Family, one: Held): void => {
    release(family, one).catch((error) => note(error, 'could not close a socket'));
  };

  const acquire = async (family: Family): Promise<void> => {
    try {
      const socket = await agent.acquire(family, signal);
      const one = { socket, ids: new CheckIds<PeerEntry>(socket.transactionPrefix, random) };
      held.set(family, one);
      retry.delete(family);
      const lost = () => drop(family, one);
      if (socket.lost.aborted) lost();
      else socket.lost.addEventListener('abort', lost, { once: true });
      components.opened();
    } catch (error) {
      const failures = (retry.get(family)?.failures ?? 0) + 1;
      retry.set(family, { failures, at: clock.now() + doubling(failures, FIRST_RETRY_MS, MOST_RETRY_MS) });
      note(error, `no connectivity checks by IPv${family} for now`);
    }
  };

  return {
    get ready() {
      return held.size > 0;
    },
    get failed() {
      return held.size === 0 && retry.size > 0;
    },
    pass(next) {
      tags = next;
      tell();
    },
    hear(next) {
      if (JSON.stringify(ports) === JSON.stringify(next)) return;
      ports = next;
      tell();
    },
    follow(families) {
      for (const [family, one] of held) if (!families.includes(family)) drop(family, one);
      for (const family of families) {
        if (held.has(family) || opening.has(family) || clock.now() < (retry.get(family)?.at ?? 0)) continue;
        opening.set(
          family,
          acquire(family).finally(() => opening.delete(family)),
        );
      }
    },
    createId(family, peer) {
      // Without a socket nothing is sent, and nothing answers.
      return held.get(family)?.ids.create(clock.now(), peer) ?? random(ID_BYTES);
    },
    peerOf(message) {
      for (const { ids } of held.values()) {
        const peer = ids.peerOf(clock.now(), message);
        if (peer) return peer;
      }
      return undefined;
    },
    async send(message, to, options) {
      try {
        await held.get(to.family)?.socket.send(message, to, options);
      } catch (error) {
        if (!isStunmeshError(error)) throw error;
      }
    },
    async stop() {
      await Promise.all(opening.values());
      await Promise.all([...held].map(([family, one]) => release(family, one)));
    },
  };
}
