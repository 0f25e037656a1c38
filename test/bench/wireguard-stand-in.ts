/** Takes wireguard-go's place at its userspace socket and shows as many peers as wanted: a real one with ten thousand takes the machine for itself. */
import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { uapi, uapiPath } from '../e2e/lab/uapi.js';

const OK = 'errno=0\n\n';
/** A tunnel that is well shakes hands every two minutes. */
const HANDSHAKE_SECONDS = 120;

export interface StandIn extends AsyncDisposable {
  /** In base64, as the configuration has them; first those that are connected. */
  readonly publicKeys: readonly string[];
}

/** The device is there and stays; its peers are made up, and `connected` of them live. What is set is accepted and forgotten. */
export async function standIn(device: string, count: number, connected: number): Promise<StandIn> {
  const header = (await uapi(device, 'get=1')).replace(/\n*errno=0\n*$/, '');
  const keys = Array.from({ length: count }, () => randomBytes(32));
  const startedAt = Date.now();
  const away = keys
    .slice(connected)
    .map((key, i) => peerLines(key, connected + i, []))
    .join('\n');
  const well = (): string => {
    const seconds = Math.floor(Date.now() / 1000);
    const alive = [
      'endpoint=203.0.113.9:51820',
      `last_handshake_time_sec=${seconds - (seconds % HANDSHAKE_SECONDS)}`,
      'last_handshake_time_nsec=0',
      `rx_bytes=${32 * Math.floor((Date.now() - startedAt) / 5_000)}`,
      'persistent_keepalive_interval=25',
    ];
    return keys
      .slice(0, connected)
      .map((key, i) => peerLines(key, i, alive))
      .join('\n');
  };
  const server = createServer((socket) => {
    let request = '';
    socket.on('error', () => {});
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      request += text;
      if (!request.endsWith('\n\n')) return;
      const answer = request.startsWith('get=1') ? `${[header, well(), away].filter(Boolean).join('\n')}\n${OK}` : OK;
      request = '';
      socket.end(answer);
    });
  });
  const path = `${uapiPath(device)}.bench`;
  await new Promise<void>((resolve) => server.listen(path, resolve));
  // In one step: wireguard-go ends when its socket is gone.
  renameSync(path, uapiPath(device));
  return {
    publicKeys: keys.map((key) => key.toString('base64')),
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function peerLines(key: Buffer, i: number, more: readonly string[]): string {
  return [
    `public_key=${key.toString('hex')}`,
    ...more,
    `allowed_ip=10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`,
  ].join('\n');
}
