/** Asks several STUN servers at once and settles with the first good answer, or the preferred server's if that comes soon (F2). */
import { type Clock, type Endpoint, type Family, isStunmeshError, StunmeshError } from '../api/index.js';
import { formatAddress, formatEndpoint, parseAddress } from '../net/index.js';
import type { AgentSocket } from './agent.js';
import { type Candidate, createCandidates, preferAddress } from './server-order.js';
import { resolveServer, type ServerName } from './servers.js';
import { judgeAnswer, summariseFailures } from './verdict.js';

/** Servers that are asked at the same time, at the start and again after each silence. */
const AT_ONCE = 3;
/** Silence after which further servers join. */
const SILENCE_MS = 1000;
/** How long the first good answer waits for the preferred server's. */
const PREFERRED_WAIT_MS = 300;
/** Addresses of one name that are tried. */
const ADDRESSES_PER_SERVER = 3;

export interface DiscoverySettings {
  readonly family: Family;
  /** WireGuard's listen port. */
  readonly listenPort: number;
  /** "host:port", "192.0.2.1:port", "[2001:db8::1]:port". */
  readonly servers: readonly string[];
  /** The server of the last discovery: its answer is preferred while it comes within 300 ms of another server's, so that a
   * host behind an address-dependent mapping does not publish another port each time. */
  readonly preferred?: string;
  /** The address that it had then: asked first, where the name still has it. */
  readonly preferredAddress?: Endpoint;
  /** This host's addresses: a mapped address among them means that there is no NAT in front (F7). */
  readonly ownAddresses: readonly string[];
  /** Addresses of a name; an error counts as that server's failure. */
  resolve(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]>;
  /** Why this address must not be asked, e.g. because its route leaves by the tunnel (F19). */
  refuseServer?(address: string): Promise<string | undefined>;
  readonly clock: Clock;
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
  readonly signal: AbortSignal;
}

export interface RaceOptions extends DiscoverySettings {
  readonly socket: AgentSocket;
  /** Aborts when the time is up, or with `signal`. */
  readonly limit: AbortSignal;
}

export interface Discovery {
  /** What to publish. */
  readonly endpoint: Endpoint;
  /** What the server saw. */
  readonly mapped: Endpoint;
  /** As in `servers`. */
  readonly server: string;
  readonly serverAddress: Endpoint;
  readonly rttMs: number;
  readonly natted: boolean;
  /** Servers that had failed by then. */
  readonly failures: ReadonlyMap<string, StunmeshError>;
}

type Found = Omit<Discovery, 'failures'>;

/** Settles as discover() does; afterwards nothing of it runs on. */
export function raceServers(o: RaceOptions): Promise<Discovery> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const failures = new Map<string, StunmeshError>();
    const queue = createCandidates(o.servers, o.preferred, failures);
    const running = new Map<Candidate, 'resolving' | Endpoint>();
    const remarks = new Map<Candidate, StunmeshError>();
    const place = {
      family: o.family,
      listenPort: o.listenPort,
      ownAddresses: new Set(o.ownAddresses.flatMap((text) => parseAddress(text) ?? []).map(formatAddress)),
    };
    let first: Found | undefined;

    const finish = (found: Found): void => {
      over.abort();
      failures.delete(found.server);
      resolve({ ...found, failures });
    };
    const fail = (error: unknown): void => {
      over.abort();
      reject(error);
    };
    const giveUp = (): void => (first ? finish(first) : fail(summariseFailures(failures, o.family)));

    const ask = async (candidate: Candidate): Promise<Found> => {
      const { server } = candidate;
      let { address } = candidate;
      if (!address) {
        const addresses = await resolveServer(server, { ...o, ...place, signal: over.signal });
        const [best, ...others] = preferAddress(addresses, candidate.preferred ? o.preferredAddress : undefined);
        address = best;
        queue.push(
          ...others.slice(0, ADDRESSES_PER_SERVER - 1).map((other) => ({ server, preferred: false, address: other })),
        );
      }
      running.set(candidate, address);
      const answer = await o.socket.ask({
        server: address,
        signal: over.signal,
        onRemark: (remark) => remarks.set(candidate, remark),
      });
      return { ...judgeAnswer(answer, place), server: server.text, serverAddress: address, rttMs: answer.rttMs };
    };

    const preferredMayAnswer = (): boolean => [...running.keys()].some((c) => c.preferred);
    const startMore = (count: number): void => {
      for (const candidate of queue.splice(0, count)) {
        running.set(candidate, 'resolving');
        ask(candidate).then(
          (found) => onGood(candidate, found),
          (error) => onBad(candidate, error),
        );
      }
      if (running.size === 0) giveUp();
    };
    const onGood = (candidate: Candidate, found: Found): void => {
      if (over.signal.aborted) return;
      running.delete(candidate);
      if (!preferredMayAnswer()) finish(found);
      else if (!first) {
        first = found;
        o.clock.sleep(PREFERRED_WAIT_MS, over.signal).then(giveUp, quiet);
      }
    };
    const onBad = (candidate: Candidate, error: unknown): void => {
      if (over.signal.aborted) return;
      running.delete(candidate);
      failures.set(candidate.server.text, asStunmeshError(error));
      if (first && !preferredMayAnswer()) finish(first);
      else startMore(1);
    };
    const onLimit = (): void => {
      for (const [candidate, state] of running)
        failures.set(candidate.server.text, remarks.get(candidate) ?? silence(candidate.server, state));
      if (o.signal.aborted) fail(o.signal.reason);
      else giveUp();
    };
    const joinAfterSilence = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await o.clock.sleep(SILENCE_MS, over.signal);
        if (!first) startMore(AT_ONCE);
      }
    };

    o.limit.addEventListener('abort', onLimit, { once: true, signal: over.signal });
    o.socket.lost.addEventListener('abort', () => (first ? finish(first) : fail(o.socket.lost.reason)), {
      once: true,
      signal: over.signal,
    });
    if (o.socket.lost.aborted) fail(o.socket.lost.reason);
    else if (o.limit.aborted) onLimit();
    else startMore(AT_ONCE);
    joinAfterSilence().catch(quiet);
  });
}

const quiet = (): void => {};

function silence(server: ServerName, state: 'resolving' | Endpoint): StunmeshError {
  const details = { server: server.text };
  if (state === 'resolving')
    return new StunmeshError('ERR_RESOLVE', `no name server answered for ${server.host} in time`, { details });
  return new StunmeshError('ERR_STUN_NO_RESPONSE', `no answer from ${formatEndpoint(state)} in time`, { details });
}

function asStunmeshError(error: unknown): StunmeshError {
  if (isStunmeshError(error)) return error;
  return new StunmeshError('ERR_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
}
