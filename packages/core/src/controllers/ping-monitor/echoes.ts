/** Sends ICMP echoes into tunnels and matches their replies by id, sequence number, nonce and source (F28). */
import { randomBytes } from 'node:crypto';
import type { Clock, EchoSocket, Family } from '../../api/index.js';
import { encodeEcho, parseEcho } from '../../net/index.js';
import type { Underlay } from '../../underlay/underlay.js';

const NONCE_BYTES = 8;
/** An echo that is not answered by then is forgotten. */
const FORGET_MS = 15_000;
/** A socket that nothing was sent through for so long is closed. */
const UNUSED_MS = 60_000;

interface Outstanding {
  readonly to: string;
  readonly nonce: Buffer;
  readonly sentAt: number;
  onReply(rttMs: number): void;
}

interface Port {
  readonly socket: EchoSocket;
  readonly outstanding: Map<number, Outstanding>;
  usedAt: number;
}

export interface EchoRequest {
  /** The kernel's name of the tunnel device. */
  readonly device: string;
  readonly to: string;
  readonly ttl?: number;
  /** Called once, when the reply to this very request arrives. */
  onReply(rttMs: number): void;
}

export interface Echoes extends AsyncDisposable {
  /** Resolves once sent. Errors: those of openEchoSocket and send; a failed send is a failed ping (F28). */
  send(request: EchoRequest): Promise<void>;
  /** Closes sockets that are out of use. */
  tidy(): Promise<void>;
}

export function createEchoes(underlay: Pick<Underlay, 'openEchoSocket'>, clock: Clock): Echoes {
  const ports = new Map<string, Promise<Port>>();
  const id = randomBytes(2).readUInt16BE();
  let sequence = 0;

  const open = async (device: string, family: Family): Promise<Port> => {
    const outstanding = new Map<number, Outstanding>();
    const socket = await underlay.openEchoSocket({
      family,
      device,
      onPacket(icmp, from) {
        const echo = parseEcho(family, icmp);
        if (echo?.kind !== 'reply' || echo.id !== id) return;
        const asked = outstanding.get(echo.sequence);
        if (!asked || asked.to !== from || !asked.nonce.equals(echo.payload)) return;
        outstanding.delete(echo.sequence);
        asked.onReply(clock.now() - asked.sentAt);
      },
      // The device went away; the next echo opens a socket on its successor.
      onFault: () => void close(`${device}/${family}`),
    });
    return { socket, outstanding, usedAt: clock.now() };
  };

  const portOf = (device: string, family: Family): Promise<Port> => {
    const key = `${device}/${family}`;
    const known = ports.get(key);
    if (known) return known;
    const port = open(device, family);
    ports.set(key, port);
    port.catch(() => ports.delete(key));
    return port;
  };

  const close = async (key: string): Promise<void> => {
    const port = ports.get(key);
    ports.delete(key);
    await (await port?.catch(() => undefined))?.socket[Symbol.asyncDispose]();
  };

  return {
    async send({ device, to, ttl, onReply }) {
      const family: Family = to.includes(':') ? 6 : 4;
      const port = await portOf(device, family);
      sequence = (sequence + 1) & 0xffff;
      const mine = sequence;
      const now = clock.now();
      port.usedAt = now;
      for (const [old, { sentAt }] of port.outstanding) if (now - sentAt > FORGET_MS) port.outstanding.delete(old);
      const nonce = randomBytes(NONCE_BYTES);
      port.outstanding.set(mine, { to, nonce, sentAt: now, onReply });
      try {
        await port.socket.send(
          encodeEcho(family, { kind: 'request', id, sequence: mine, payload: nonce }),
          to,
          ttl === undefined ? {} : { ttl },
        );
      } catch (error) {
        port.outstanding.delete(mine);
        // A socket bound to a device that was deleted since fails for ever; the next echo gets a fresh one.
        await close(`${device}/${family}`);
        throw error;
      }
    },
    async tidy() {
      for (const [key, pending] of ports) {
        const port = await pending.catch(() => undefined);
        if (port && clock.now() - port.usedAt > UNUSED_MS) await close(key);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...ports.keys()].map(close));
    },
  };
}
