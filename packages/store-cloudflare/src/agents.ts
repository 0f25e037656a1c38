/** The sockets of the store: kept for the calls of one beat, and opened by the host's own means where packets need a mark. */
import * as http from 'node:http';
import * as https from 'node:https';
import { isIP } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { type Connect, StunmeshError } from '@stunmesh/core/api';

/** The calls of one beat share a connection; an older one may be dead after a change of network, and then hangs. */
const IDLE_MS = 2_000;
export const MOST_SOCKETS = 4;
const OPTIONS = { keepAlive: true, maxSockets: MOST_SOCKETS, timeout: IDLE_MS };

export interface Agents extends Disposable {
  readonly plain: http.Agent;
  readonly secure: https.Agent;
}

type Opened = (error: Error | null, socket?: Duplex) => void;

export interface Target extends https.RequestOptions {
  /** Ends the opening of the socket; one that is open outlives it, for other calls. */
  readonly giveUp?: AbortSignal;
}

/** Agents whose sockets `connect` opens, or Node where there is none. */
export function createAgents(connect: Connect | undefined): Agents {
  const closing = new AbortController();
  const plain = new http.Agent(OPTIONS);
  const secure = new https.Agent(OPTIONS);

  async function open(connect: Connect, { host, port, giveUp }: Target): Promise<Duplex> {
    const over = new AbortController();
    const enders = giveUp ? [closing.signal, giveUp] : [closing.signal];
    const onAbort = (event: Event): void => over.abort((event.target as AbortSignal).reason);
    for (const each of enders) each.addEventListener('abort', onAbort, { once: true });
    try {
      for (const each of enders) each.throwIfAborted();
      const socket = await connect({ host: host ?? '', port: Number(port), signal: over.signal });
      if (socket instanceof Duplex) return socket;
      throw new StunmeshError('ERR_PLUGIN_INVALID', "the host's connect resolved with something that is no socket");
    } finally {
      for (const each of enders) each.removeEventListener('abort', onAbort);
    }
  }

  if (connect) {
    const override = (agent: http.Agent, dress: (raw: Duplex, target: Target) => Duplex): void => {
      const createConnection = (target: Target, opened: Opened): void => {
        open(connect, target).then(
          (raw) => opened(null, dress(raw, target)),
          (error: unknown) => opened(error as Error),
        );
      };
      Object.assign(agent, { createConnection });
    };
    override(plain, (raw) => raw);
    override(secure, (raw, { host }) =>
      // A name is asked for in the handshake and looked for in the certificate; an address is only looked for.
      connectTls({ socket: raw, host: host ?? '', ...(host && isIP(host) === 0 ? { servername: host } : {}) }),
    );
  }

  return {
    plain,
    secure,
    [Symbol.dispose]() {
      closing.abort(new StunmeshError('ERR_CLOSED', 'the store is closed'));
      plain.destroy();
      secure.destroy();
    },
  };
}
