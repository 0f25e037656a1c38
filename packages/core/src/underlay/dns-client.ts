/** Asks name servers for addresses over sockets that the caller opens: for questions that must carry a mark, which c-ares' cannot. */
import { randomInt } from 'node:crypto';
import {
  type Clock,
  type DatagramSocket,
  type Endpoint,
  type Family,
  isStunmeshError,
  StunmeshError,
} from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import { type DnsAnswer, encodeQuestion, parseAnswer } from './dns-message.js';

/** A server is asked anew after this time, in each of so many rounds over all servers. */
const ANSWER_MS = 1_000;
const ROUNDS = 3;
const NO_SUCH_NAME = 3;

export interface DnsClientOptions {
  readonly clock: Clock;
  open(to: Endpoint, onMessage: (message: Uint8Array) => void, onFault: () => void): Promise<DatagramSocket>;
}

/** Addresses of one family; none: the name has no such address. Errors: ERR_RESOLVE, the signal's reason. */
export type AskServers = (
  host: string,
  family: Family,
  servers: readonly Endpoint[],
  signal: AbortSignal,
) => Promise<readonly string[]>;

export function createDnsClient({ clock, open }: DnsClientOptions): AskServers {
  /** Undefined: no usable answer in time. */
  const askOne = async (
    question: Uint8Array,
    family: Family,
    server: Endpoint,
    signal: AbortSignal,
  ): Promise<DnsAnswer | undefined> => {
    using limit = clock.deadline(ANSWER_MS, signal);
    const { promise, resolve } = createReply();
    const give = (): void => resolve(undefined);
    limit.signal.addEventListener('abort', give, { once: true });
    try {
      const onMessage = (message: Uint8Array): void => {
        const answer = parseAnswer(message, question, family);
        if (answer) resolve(answer);
      };
      await using socket = await open(server, onMessage, give);
      await socket.send(question);
      return await promise;
    } catch {
      return undefined;
    } finally {
      limit.signal.removeEventListener('abort', give);
    }
  };

  /** The server that answered last: one that is dead costs its time only once. */
  let answering: string | undefined;

  return async (host, family, servers, signal) => {
    const rank = (server: Endpoint): number => (formatEndpoint(server) === answering ? 0 : 1);
    const inOrder = servers.toSorted((a, b) => rank(a) - rank(b));
    let failed = 'no name server answers';
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const server of inOrder) {
        // A new number each time: an answer to an old question is nobody's.
        const question = encodeQuestion(host, family, randomInt(0x1_0000));
        if (!question) throw unresolved(host, family, 'not a host name');
        const answer = await askOne(question, family, server, signal);
        signal.throwIfAborted();
        if (answer?.code === 0 || answer?.code === NO_SUCH_NAME) answering = formatEndpoint(server);
        if (answer?.code === NO_SUCH_NAME) throw unresolved(host, family, 'no such name', true);
        if (answer?.code === 0) return answer.addresses;
        if (answer) failed = `the name server refuses or fails (code ${answer.code})`;
      }
    }
    throw unresolved(host, family, failed);
  };
}

function createReply() {
  let resolve: (answer: DnsAnswer | undefined) => void = () => undefined;
  const promise = new Promise<DnsAnswer | undefined>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** `absent`: name servers answered that there is no such name. */
export function unresolved(host: string, family: Family, reason: string, absent = false): StunmeshError {
  return new StunmeshError('ERR_RESOLVE', `${host} does not resolve to an IPv${family} address: ${reason}`, {
    details: { host, family, ...(absent ? { absent: 1 } : {}) },
  });
}

export function isAbsent(error: unknown): boolean {
  return isStunmeshError(error) && error.code === 'ERR_RESOLVE' && error.details['absent'] === 1;
}
