/** What an operator should know went wrong with a peer: of its own, of reading its record, and of writing ours, apart by store (F73). */
import { type Clock, isStunmeshError, type Logger, StunmeshError } from '../api/index.js';
import { createFault, type Fault } from './fault.js';
import type { EventSink, PeerEntry } from './peer-table.js';

export { createFault, type Fault } from './fault.js';

export function asStunmeshError(error: unknown): StunmeshError {
  return isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error });
}

const newest = (faults: ReadonlyMap<string, Fault>): Fault | undefined =>
  [...faults.values()].reduce<Fault | undefined>(
    (last, fault) => (last && last.at > fault.at ? last : fault),
    undefined,
  );

/** The last failure to write our record for it. */
export function writeFault(peer: PeerEntry): Fault | undefined {
  return newest(peer.writeFaults);
}

/** The last failure to read or to use its record. */
export function readFault(peer: PeerEntry): Fault | undefined {
  return newest(peer.readFaults);
}

/** The one to tell first: what we fail to write comes before anything that is said about the peer (F73). */
export function peerFault(peer: PeerEntry): Fault | undefined {
  return peer.fault ?? peer.ownKeyFault ?? peer.sharedKeyFault ?? writeFault(peer) ?? readFault(peer);
}

/** So many echoes in a row are no accident. */
const ONE_WAY_ECHOES = 3;

/** The peer's packets arrive, and ours do not: a peer that used to answer echoes answers none, while bytes come in. */
export function oneWayFault(peer: PeerEntry, wallNow: number): Fault | undefined {
  const { answersEcho, unansweredEchoes, rxGrewAt } = peer;
  if (!answersEcho || unansweredEchoes < ONE_WAY_ECHOES || rxGrewAt === undefined) return undefined;
  const message = `${unansweredEchoes} pings unanswered though packets arrive: one way only; what we send is lost on the way, see the NATs and firewalls at both ends`;
  return { code: 'ERR_TUNNEL_ONE_WAY', message, at: wallNow };
}

export interface Faults {
  /** Of the peer itself. Each code is told once, until it is another one. */
  note(peer: PeerEntry, error: unknown, what: string): void;
  /** Of a store, while this peer's record was read from it or ours written to it; `expected`: told in the log already, by the store. */
  noteStore(
    peer: PeerEntry,
    use: 'read' | 'write',
    store: string,
    error: unknown,
    what: string,
    expected?: boolean,
  ): void;
  settleStore(peer: PeerEntry, use: 'read' | 'write', store: string): void;
}

export interface FaultsComponents {
  readonly device: { readonly name: string };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: EventSink;
  /** What fails once it has aborted is no fault. */
  readonly signal: AbortSignal;
}

/** Of one device's peers. */
export function createFaults({ device, clock, logger, emit, signal }: FaultsComponents): Faults {
  const tell = (peer: PeerEntry, error: StunmeshError, what: string, quiet: boolean): void => {
    logger[quiet ? 'debug' : 'warn']({ device: device.name, peer: peer.name, error }, what);
    if (!quiet) emit('fault', peer, { code: error.code, message: error.message });
  };
  const of = (peer: PeerEntry, use: 'read' | 'write') => (use === 'read' ? peer.readFaults : peer.writeFaults);
  return {
    note(peer, error, what) {
      if (signal.aborted) return;
      const fault = asStunmeshError(error);
      const repeated = peer.fault?.code === fault.code;
      peer.fault = createFault(fault, clock.wallNow());
      tell(peer, fault, what, repeated);
    },
    noteStore(peer, use, store, error, what, expected = false) {
      if (signal.aborted) return;
      const fault = asStunmeshError(error);
      // By its code: the same failure of the same store is told once, until it went well.
      const repeated = of(peer, use).get(store)?.code === fault.code;
      of(peer, use).set(store, createFault(fault, clock.wallNow(), store));
      tell(peer, fault, what, repeated || expected);
    },
    settleStore: (peer, use, store) => void of(peer, use).delete(store),
  };
}
