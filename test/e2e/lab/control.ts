/** The laboratory's own client of the daemon's control socket: one JSON object a line. */
import { createConnection } from 'node:net';

export type Phase = 'waiting' | 'connecting' | 'connected' | 'suspect' | 'idle';

export interface Addresses {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly at: number;
}

export interface PeerSnapshot {
  readonly paths?: readonly { readonly endpoint: string; readonly state: string }[];
  readonly diverted?: { readonly sourcePort: number; readonly endpoint: string };
  readonly name: string;
  readonly publicKey: string;
  readonly phase: Phase;
  readonly endpoint?: string;
  /** Milliseconds since 1970. */
  readonly latestHandshakeAt?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly record?: Addresses & {
    readonly store?: string;
    readonly readAt: number;
    readonly t?: number;
    readonly nat?: string;
  };
  readonly published?: Addresses & {
    readonly at: number;
    readonly t?: number;
    readonly omitted: readonly string[];
  };
  readonly endpointWrites: number;
  readonly renewals: number;
  /** Milliseconds; only with ping, once one was answered. */
  readonly rttMs?: number;
  readonly reads: number;
  readonly lastError?: Fault;
  readonly bothSymmetric?: true;
}

export interface DeviceSnapshot {
  readonly name: string;
  readonly state: 'up' | 'down' | 'missing';
  readonly publicKey?: string;
  readonly listenPort?: number;
  readonly firewallMark?: number;
  readonly reflexive: Addresses;
  readonly candidates?: readonly { readonly type: string; readonly endpoint: string; readonly foundBy: string }[];
  readonly portMapping?: {
    readonly state: 'asking' | 'mapped' | 'failed';
    readonly mappings: readonly { readonly family: string; readonly protocol: string; readonly endpoint: string }[];
    readonly error?: Fault;
  };
  readonly discoveries: number;
  readonly stores?: readonly { readonly name: string; readonly watch?: { readonly state: string } }[];
  readonly checks?: { readonly searched: number };
  readonly errors?: readonly (Fault & { readonly of: string })[];
  readonly peers: readonly PeerSnapshot[];
}

export interface StoreSnapshot {
  readonly name: string;
  readonly gets: number;
  readonly sets: number;
  readonly failures: number;
  readonly state: 'up' | 'down';
  readonly retryAt?: number;
  readonly lastError?: Fault;
}

export interface Snapshot {
  readonly type: 'snapshot';
  readonly version: number;
  readonly pid: number;
  readonly startedAt: number;
  readonly devices: readonly DeviceSnapshot[];
  readonly stores: readonly StoreSnapshot[];
}

export interface ControlEvent {
  readonly type: 'event';
  readonly event: string;
  readonly at: number;
  readonly [member: string]: unknown;
}

/** One snapshot. Rejects where nobody listens or the answer is not one. */
export function readSnapshot(path: string, timeoutMs = 30_000): Promise<Snapshot> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`${path}: no snapshot within ${timeoutMs} ms`)));
    socket.once('error', reject);
    socket.once('connect', () => socket.write('{"op":"snapshot"}\n'));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return;
      socket.destroy();
      const answer = JSON.parse(text.slice(0, end)) as Snapshot;
      if (answer.type === 'snapshot') resolve(answer);
      else reject(new Error(`${path}: not a snapshot: ${text.slice(0, 200)}`));
    });
    socket.once('close', () => reject(new Error(`${path}: closed without a snapshot`)));
  });
}

export interface EventStream extends Disposable {
  readonly first: Snapshot;
}

/** The snapshot, then each event until disposed or the daemon ends. */
export function openEvents(path: string, onEvent: (event: ControlEvent) => void): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let rest = '';
    socket.setEncoding('utf8');
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${path}: closed`)));
    socket.once('connect', () => socket.write('{"op":"events"}\n'));
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = JSON.parse(line) as Snapshot | ControlEvent;
        if (message.type === 'event') onEvent(message);
        else resolve({ first: message, [Symbol.dispose]: () => socket.destroy() });
      }
    });
  });
}
