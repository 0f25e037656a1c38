/** One walk through the DHT towards a target (BEP 5): asks ever closer nodes, within a bound on packets and with strangers' answers. */
import type { Clock, Endpoint } from '@stunmesh/core/api';
import type { Answer, Item } from './message.js';
import { distance, type NodeInfo } from './node-info.js';
import type { Rpc } from './rpc.js';

/** How many nodes hold an item (BEP 5's k). */
export const CLOSEST = 8;
export const MOST_PACKETS = 30;
const AT_ONCE = 6;
/** A node that is silent for so long no longer keeps others from being asked. */
const SLOW_MS = 600;
/** "No record" needs so many of the closest nodes to say so (F64). */
const WITNESSES = 3;
/** Once the item was found, so many of the closest have to have spoken, since one of them may have a newer one. */
const FOUND_WITNESSES = 4;
/** Slow ones are waited for only where fewer than these have answered. */
const ENOUGH = 5;
/** Nodes kept beside those that were asked; more than an honest walk ever knows. */
const MOST_KNOWN = 200;

export interface Walked {
  /** The item of the highest seq among those that `accepts` took. */
  readonly item?: Item;
  /** The closest nodes that answered, nearest first, at most eight, with what they gave us leave to write with. */
  readonly closest: readonly {
    readonly endpoint: Endpoint;
    readonly id: string;
    readonly token?: Uint8Array;
    readonly holds: boolean;
  }[];
  readonly answered: number;
  /** Those that did not answer, though they were given an id. */
  readonly silent: readonly NodeInfo[];
  /** Somebody answered an item that is not the slot's own: then nobody's "no record" is believed. */
  readonly forged: boolean;
  /** True when enough of the closest nodes answered for "no record" to mean it (F64). */
  readonly conclusive: boolean;
  readonly packets: number;
}

interface Candidate {
  readonly endpoint: Endpoint;
  id: string | undefined;
  /** Text that sorts by closeness; bootstraps, whose id is unknown, come first. */
  rank: string;
  state: 'new' | 'asked' | 'slow' | 'answered' | 'silent';
  answer?: Answer;
  holds: boolean;
  tries: number;
}

export interface WalkOptions {
  readonly rpc: Rpc;
  readonly clock: Clock;
  readonly target: string;
  readonly seeds: readonly NodeInfo[];
  readonly bootstraps: readonly Endpoint[];
  readonly mostPackets?: number;
  /** All of the closest are asked, though the item was found: for writing it there. */
  readonly thorough?: boolean;
  accepts(item: Item): boolean;
  readonly signal: AbortSignal;
}

/** Errors: what rpc.ask says of our own socket; the signal's reason. */
export async function walk(options: WalkOptions): Promise<Walked> {
  const { rpc, clock, target, signal, mostPackets = MOST_PACKETS } = options;
  const known = new Map<string, Candidate>();
  let packets = 0;
  let best: Item | undefined;
  let forged = false;
  let wake: () => void = () => {};
  let failure: unknown;

  const add = (endpoint: Endpoint, id: string | undefined): void => {
    const key = `${endpoint.address} ${endpoint.port}`;
    if (known.has(key) || known.size >= MOST_KNOWN || id === rpc.id) return;
    known.set(key, {
      endpoint,
      id,
      rank: id === undefined ? '' : distance(id, target),
      state: 'new',
      holds: false,
      tries: 0,
    });
  };
  for (const { endpoint, id } of options.seeds) add(endpoint, id);
  for (const endpoint of options.bootstraps) add(endpoint, undefined);

  const byRank = (): Candidate[] =>
    [...known.values()].sort((a, b) => (a.rank < b.rank ? -1 : Number(a.rank > b.rank)));
  /** The nearest that may still hold it: those with an id that are neither silent nor slow. */
  const nearest = (): Candidate[] =>
    byRank()
      .filter(({ id, state }) => id !== undefined && state !== 'silent' && state !== 'slow')
      .slice(0, CLOSEST);

  const take = (candidate: Candidate, answer: Answer): void => {
    candidate.state = 'answered';
    candidate.answer = answer;
    candidate.id = answer.id;
    candidate.rank = distance(answer.id, target);
    for (const { endpoint, id } of answer.nodes) add(endpoint, id);
    if (!answer.item) return;
    if (options.accepts(answer.item)) {
      candidate.holds = true;
      if (!best || answer.item.seq > best.seq) best = answer.item;
    } else forged = true;
  };

  const ask = async (candidate: Candidate, name: 'get' | 'find_node'): Promise<void> => {
    packets += 1;
    const answer = await rpc.ask(candidate.endpoint, { name, target }, signal);
    if (answer?.kind !== 'answer') {
      // A bootstrap is asked twice: one lost packet must not look like a network that is not there (F68).
      const again = candidate.id === undefined && candidate.tries < 2;
      if (candidate.state !== 'answered') candidate.state = again ? 'new' : 'silent';
    } else if (name === 'get') {
      take(candidate, answer);
      // Some answer the item instead of nodes; the walk would end there (F65).
      if (answer.nodes.length === 0 && packets < mostPackets) await ask(candidate, 'find_node');
    } else for (const { endpoint, id } of answer.nodes) add(endpoint, id);
  };

  const start = (candidate: Candidate): void => {
    candidate.state = 'asked';
    candidate.tries += 1;
    ask(candidate, 'get').then(wakeUp, (error) => {
      failure ??= error;
      wakeUp();
    });
    clock.sleep(SLOW_MS, signal).then(
      () => {
        if (candidate.state === 'asked') candidate.state = 'slow';
        wakeUp();
      },
      () => wakeUp(),
    );
  };
  function wakeUp(): void {
    wake();
  }

  for (;;) {
    signal.throwIfAborted();
    if (failure) throw failure;
    const close = nearest();
    const spoken = close.filter(({ state }) => state === 'answered').length;
    const late = [...known.values()].some(({ state }) => state === 'slow');
    if (close.length > 0 && spoken === close.length && (spoken >= ENOUGH || !late)) break;
    if (best && !options.thorough && spoken >= FOUND_WITNESSES) break;
    const busy = [...known.values()].filter(({ state }) => state === 'asked').length;
    const next = byRank().filter((each) => each.state === 'new' && (each.id === undefined || close.includes(each)));
    for (const candidate of next.slice(0, Math.max(0, AT_ONCE - busy))) if (packets < mostPackets) start(candidate);
    if (!late && ![...known.values()].some(({ state }) => state === 'asked')) break;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }

  const closest = nearest().filter(({ state }) => state === 'answered');
  const answered = [...known.values()].filter(({ state }) => state === 'answered').length;
  return {
    ...(best ? { item: best } : {}),
    closest: closest.map(({ endpoint, id, answer, holds }) => ({
      endpoint,
      id: id ?? '',
      holds,
      ...(answer?.token ? { token: answer.token } : {}),
    })),
    answered,
    silent: [...known.values()].flatMap(({ id, endpoint, state }) =>
      id !== undefined && state === 'silent' ? { id, endpoint } : [],
    ),
    forged,
    packets,
    conclusive: !forged && closest.length >= WITNESSES,
  };
}
