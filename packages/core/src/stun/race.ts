/** Asks several STUN servers at once and settles with the first good answer, or the preferred server's if that comes soon (F2). */
import { type Clock, type Endpoint, type Family, isStunmeshError, StunmeshError } from '../api/index.js';
import { formatAddress, formatEndpoint, parseAddress } from '../net/index.js';
import type { AgentSocket } from './agent.js';
import { orderServers, preferAddress, type QueuedServer } from './server-order.js';
import { resolveServer, type ServerName } from './servers.js';
import { judgeAnswer, summariseFailures } from './verdict.js';
import { createWitnesses, type Witnesses, type WitnessVerdict } from './witnesses.js';

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
  /** Servers whose answer the others contradicted last time: theirs is used only where nobody else gives one. */
  readonly distrusted?: ReadonlySet<string>;
  /** The address that it had then: asked first, where the name still has it. */
  readonly preferredAddress?: Endpoint;
  /** This host's addresses: a mapped address among them means that there is no NAT in front (F7). */
  readonly ownAddresses: readonly string[];
  /** Addresses of the tunnel itself: nobody outside can have seen us there. */
  readonly tunnelAddresses?: readonly string[];
  /** Addresses of a name; an error counts as that server's failure. */
  resolve(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]>;
  /** Why this address must not be asked, e.g. because its route leaves by the tunnel (F19). */
  refuseServer?(address: string): Promise<string | undefined>;
  /** Something that deserves a log line (AddressRules). */
  onNotice?(notice: StunmeshError): void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface RaceOptions extends DiscoverySettings {
  readonly socket: AgentSocket;
  /** Aborts when the time is up, or with `signal`. */
  readonly limit: AbortSignal;
}

/** An answer as a witness gives it. */
export type Witnessed = Omit<Discovery, 'failures' | 'witnesses'>;

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
  /** What the other servers say, some seconds later; undefined: nobody else answered. Never rejects. */
  readonly witnesses: Promise<WitnessVerdict<Witnessed> | undefined>;
}

type Found = Witnessed;

/** Settles as discover() does. What the other servers say is heard on for a while; `ended` is called when nothing of it runs any more. */
export function raceServers(o: RaceOptions, ended: () => void): Promise<Discovery> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    over.signal.addEventListener('abort', ended, { once: true });
    const failures = new Map<string, StunmeshError>();
    const queue = orderServers(o.servers, o, failures);
    const running = new Map<QueuedServer, 'resolving' | Endpoint>();
    const remarks = new Map<QueuedServer, StunmeshError>();
    const place = {
      family: o.family,
      listenPort: o.listenPort,
      ownAddresses: canonical(o.ownAddresses),
      tunnelAddresses: canonical(o.tunnelAddresses ?? []),
    };
    let first: Found | undefined;
    /** Of a server that the others contradicted last time. */
    let fallback: Found | undefined;
    /** The answers by server, once the first is out. */
    let witnesses: Witnesses<Found> | undefined;
    const answers: Found[] = [];

    const finish = (found: Found): void => {
      failures.delete(found.server);
      witnesses = createWitnesses(o.clock, found, over);
      resolve({ ...found, failures: new Map(failures), witnesses: witnesses.verdict });
      for (const answer of answers) witnesses.add(answer);
      askWitness();
    };
    const fail = (error: unknown): void => {
      over.abort();
      reject(error);
    };
    const giveUp = (): void => {
      const found = first ?? fallback;
      if (witnesses) return;
      if (found) finish(found);
      else fail(summariseFailures(failures, o.family));
    };

    const ask = async (queued: QueuedServer): Promise<Found> => {
      const { server } = queued;
      let { address } = queued;
      if (!address) {
        const addresses = await resolveServer(server, { ...o, ...place, signal: over.signal });
        const [best, ...others] = preferAddress(addresses, queued.preferred ? o.preferredAddress : undefined);
        address = best;
        const further = others.slice(0, ADDRESSES_PER_SERVER - 1);
        queue.push(...further.map((other) => ({ ...queued, preferred: false, address: other })));
      }
      running.set(queued, address);
      const answer = await o.socket.ask({
        server: address,
        signal: over.signal,
        onRemark: (remark) => remarks.set(queued, remark),
      });
      return { ...judgeAnswer(answer, place), server: server.text, serverAddress: address, rttMs: answer.rttMs };
    };

    /** A second one, and where it contradicts the first a third; whoever is being asked already counts. */
    const askWitness = (): void => {
      if (!witnesses || over.signal.aborted) return;
      const heard = witnesses.servers();
      for (let i = queue.length - 1; i >= 0; i -= 1) if (heard.has(queue[i]?.server.text ?? '')) queue.splice(i, 1);
      const asked = [...running.keys()].some(({ server }) => !heard.has(server.text));
      // Whoever was contradicted last time is heard again, so that it is known whether it still is.
      const suspect = queue.findIndex(({ distrusted }) => distrusted);
      const suspectAsked = [...running.keys()].some((each) => each.distrusted && !heard.has(each.server.text));
      if (witnesses.decided() && suspectAsked) return;
      if (witnesses.decided() && suspect >= 0) {
        queue.unshift(...queue.splice(suspect, 1));
        start(1);
      } else if (witnesses.decided() || (!asked && queue.length === 0)) witnesses.end();
      else if (!asked) start(1);
    };

    const preferredMayAnswer = (): boolean => [...running.keys()].some((queued) => queued.preferred);
    const start = (count: number): void => {
      for (const queued of queue.splice(0, count)) {
        running.set(queued, 'resolving');
        ask(queued).then(
          (found) => onGood(queued, found),
          (error) => onBad(queued, error),
        );
      }
    };
    const startMore = (count: number): void => {
      start(count);
      if (running.size === 0) giveUp();
    };
    const onGood = (queued: QueuedServer, found: Found): void => {
      if (over.signal.aborted) return;
      running.delete(queued);
      if (witnesses) {
        witnesses.add(found);
        askWitness();
        return;
      }
      answers.push(found);
      if (queued.distrusted) {
        fallback ??= found;
        if (running.size === 0) startMore(1);
      } else if (!preferredMayAnswer()) finish(found);
      else if (!first) {
        first = found;
        o.clock.sleep(PREFERRED_WAIT_MS, over.signal).then(giveUp, quiet);
      }
    };
    const onBad = (queued: QueuedServer, error: unknown): void => {
      if (over.signal.aborted) return;
      running.delete(queued);
      failures.set(queued.server.text, asStunmeshError(error));
      if (witnesses) askWitness();
      else if (first && !preferredMayAnswer()) finish(first);
      else startMore(1);
    };
    const onLimit = (): void => {
      if (witnesses) return;
      for (const [queued, state] of running)
        failures.set(queued.server.text, remarks.get(queued) ?? silence(queued.server, state));
      if (o.signal.aborted) fail(o.signal.reason);
      else giveUp();
    };
    const joinAfterSilence = async (): Promise<void> => {
      while (!over.signal.aborted && !witnesses) {
        await o.clock.sleep(SILENCE_MS, over.signal);
        if (!first && !witnesses) startMore(AT_ONCE);
      }
    };

    o.limit.addEventListener('abort', onLimit, { once: true, signal: over.signal });
    const onStop = (): void => (witnesses ? over.abort() : fail(o.signal.reason));
    o.signal.addEventListener('abort', onStop, { once: true, signal: over.signal });
    const onLost = (): void => {
      if (witnesses) witnesses.end();
      else if (first) finish(first);
      else fail(o.socket.lost.reason);
    };
    o.socket.lost.addEventListener('abort', onLost, { once: true, signal: over.signal });
    if (o.socket.lost.aborted) fail(o.socket.lost.reason);
    else if (o.limit.aborted) onLimit();
    else startMore(AT_ONCE);
    joinAfterSilence().catch(quiet);
  });
}

function canonical(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(addresses.flatMap((text) => parseAddress(text) ?? []).map(formatAddress));
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
