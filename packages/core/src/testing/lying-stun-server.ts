/** A STUN server that misbehaves in one chosen way, for tests of discovery; also a script: `node lying-stun-server.js MODE ADDRESS PORT`. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Endpoint, StunmeshError } from '../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress } from '../net/index.js';
import { ATTRIBUTE, addressAttribute, errorCodeAttribute, xorAddressAttribute } from '../stun/attributes.js';
import { formatMessage, parseMessage, type StunAttribute, type StunMessage } from '../stun/message.js';

export const LYING_MODES = [
  'silent',
  'wrong-transaction-id',
  'wrong-source',
  'error-response',
  'zero-address',
  'no-attribute',
  'garbage',
  'mapped-only',
  'elsewhere',
] as const;
export type LyingMode = (typeof LYING_MODES)[number];

export interface LyingStunServer extends AsyncDisposable {
  readonly address: Endpoint;
  /** Requests that came so far. */
  readonly requests: number;
}

/** The address that the lies name: TEST-NET-1, where nobody lives. */
const NOWHERE = { 4: '192.0.2.66', 6: '2001:db8:bad::66' } as const;

/** Port 0: any free one. Errors: those of bind, ERR_USAGE where the address is none. */
export async function openLyingStunServer(o: {
  readonly mode: LyingMode;
  readonly address: string;
  readonly port: number;
}): Promise<LyingStunServer> {
  const bytes = parseAddress(o.address);
  if (!bytes) throw new StunmeshError('ERR_USAGE', `${o.address} is not an IP address`);
  const socket = await bind(bytes.length, o.address, o.port);
  const elsewhere = await bind(bytes.length, o.address, 0);
  let requests = 0;
  socket.on('message', (message, raw) => {
    const request = parseMessage(message);
    const from = parseAddress(raw.address.split('%')[0] ?? '');
    if (request?.class !== 'request' || !from) return;
    requests += 1;
    const answer = lie(o.mode, request, createEndpoint(from, raw.port));
    if (answer) send(o.mode === 'wrong-source' ? elsewhere : socket, answer, raw);
  });
  let closing: Promise<unknown> | undefined;
  return {
    address: createEndpoint(bytes, socket.address().port),
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      closing ??= Promise.all([socket, elsewhere].map((s) => new Promise<void>((resolve) => s.close(resolve))));
      await closing;
    },
  };
}

async function bind(addressBytes: number, address: string, port: number): Promise<Socket> {
  const socket = createSocket(addressBytes === 4 ? 'udp4' : 'udp6');
  socket.bind({ address, port, exclusive: true });
  await once(socket, 'listening');
  socket.on('error', () => {});
  return socket;
}

/** A client that is gone already must not end the server. */
function send(socket: Socket, bytes: Uint8Array, to: RemoteInfo): void {
  socket.send(bytes, to.port, to.address, () => {});
}

function lie(mode: LyingMode, request: StunMessage, from: Endpoint): Uint8Array | undefined {
  const { transactionId } = request;
  const nowhere: Endpoint = { ...from, address: NOWHERE[from.family], port: 6666 };
  const success = (attributes: readonly StunAttribute[], id = transactionId) =>
    formatMessage({ class: 'success', method: request.method, transactionId: id, attributes });
  switch (mode) {
    case 'silent':
      return undefined;
    case 'wrong-transaction-id': {
      const foreign = transactionId.map((byte) => byte ^ 0xff);
      return success([xorAddressAttribute(nowhere, foreign)], foreign);
    }
    case 'wrong-source':
      return success([xorAddressAttribute(nowhere, transactionId)]);
    case 'error-response':
      return formatMessage({
        class: 'error',
        method: request.method,
        transactionId,
        attributes: [errorCodeAttribute({ code: 500, reason: 'Server Error' })],
      });
    case 'zero-address':
      return success([xorAddressAttribute({ ...from, address: from.family === 4 ? '0.0.0.0' : '::' }, transactionId)]);
    case 'no-attribute':
      return success([]);
    case 'garbage':
      return Uint8Array.from({ length: 64 }, (_, i) => (i * 37) & 0xff);
    // Nothing is wrong with it but the address: only other servers know.
    case 'elsewhere':
      return success([xorAddressAttribute(nowhere, transactionId)]);
    case 'mapped-only':
      return success([addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, from)]);
  }
}

/** Runs until SIGINT or SIGTERM; prints "MODE on ADDRESS:PORT" once it listens. */
async function main([mode, address, port]: readonly string[]): Promise<void> {
  const known = LYING_MODES.find((m) => m === mode);
  if (!known || !address || !/^\d{1,5}$/.test(port ?? '')) {
    process.stderr.write(`usage: lying-stun-server MODE ADDRESS PORT\nmodes: ${LYING_MODES.join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  // Before the line is printed, for whoever reads it may send the signal at once.
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const server = await openLyingStunServer({ mode: known, address, port: Number(port) });
  process.stdout.write(`${known} on ${formatEndpoint(server.address)}\n`);
  await stopped;
  await server[Symbol.asyncDispose]();
}

const script = process.argv[1];
if (script && realpathSync(script) === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
