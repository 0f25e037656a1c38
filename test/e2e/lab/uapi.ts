/** The laboratory's own few words of the userspace WireGuard socket (wireguard.com/xplatform); none of core's code. */
import { access } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { hexKey } from './keys.js';
import { until } from './wait.js';

export interface PeerState {
  readonly publicKey: string;
  readonly endpoint?: string;
  /** Milliseconds since 1970; 0: never. */
  readonly latestHandshakeAt: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly keepaliveSeconds: number;
}

export interface DeviceState {
  readonly listenPort: number;
  readonly peers: readonly PeerState[];
}

export function uapiPath(device: string): string {
  return `/var/run/wireguard/${device}.sock`;
}

/** One request, one answer; rejects where errno is not 0. */
export function uapi(device: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(uapiPath(device));
    let answer = '';
    socket.setEncoding('utf8');
    socket.once('error', reject);
    socket.once('connect', () => socket.write(`${request.trimEnd()}\n\n`));
    socket.on('data', (text: string) => {
      answer += text;
      if (!answer.endsWith('\n\n')) return;
      socket.destroy();
      const errno = /^errno=(-?\d+)$/m.exec(answer)?.[1];
      if (errno === '0') resolve(answer);
      else reject(new Error(`userspace WireGuard ${device}: errno ${errno}`));
    });
    socket.once('close', () => reject(new Error(`userspace WireGuard ${device}: no answer`)));
  });
}

export async function uapiReady(device: string): Promise<void> {
  await until(() => access(uapiPath(device)).then(() => uapi(device, 'get=1')), {
    what: `the socket of ${device}`,
    pollMs: 5,
  });
}

export async function deviceState(device: string): Promise<DeviceState> {
  const peers: Record<string, string>[] = [];
  const own: Record<string, string> = {};
  for (const line of (await uapi(device, 'get=1')).split('\n')) {
    const [key = '', value = ''] = line.split(/=(.*)/s);
    if (key === 'public_key') peers.push({});
    const target = peers.at(-1) ?? own;
    if (key !== '') target[key] = value;
  }
  return { listenPort: Number(own['listen_port'] ?? 0), peers: peers.map(peerState) };
}

function peerState(fields: Record<string, string>): PeerState {
  const seconds = Number(fields['last_handshake_time_sec'] ?? 0);
  const nanoseconds = Number(fields['last_handshake_time_nsec'] ?? 0);
  return {
    publicKey: Buffer.from(fields['public_key'] ?? '', 'hex').toString('base64'),
    ...(fields['endpoint'] !== undefined && { endpoint: fields['endpoint'] }),
    latestHandshakeAt: seconds * 1000 + nanoseconds / 1e6,
    rxBytes: Number(fields['rx_bytes'] ?? 0),
    txBytes: Number(fields['tx_bytes'] ?? 0),
    keepaliveSeconds: Number(fields['persistent_keepalive_interval'] ?? 0),
  };
}

/** Sets a peer's endpoint by hand, as tests of the laboratory itself do. */
export async function setEndpoint(device: string, publicKey: string, endpoint: string): Promise<void> {
  await uapi(device, `set=1\npublic_key=${hexKey(publicKey)}\nupdate_only=true\nendpoint=${endpoint}`);
}
