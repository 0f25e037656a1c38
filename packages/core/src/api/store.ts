/** What a store is: a shared place for small sealed values under 40-character keys. */
import type { Socket } from 'node:net';
import type { Clock } from './clock.js';
import type { Endpoint, Family } from './endpoint.js';
import type { StunmeshError } from './errors.js';
import type { Logger } from './logger.js';

/** What every key looks like: 40 lower-case hexadecimal digits. */
export const STORE_KEY = /^[0-9a-f]{40}$/;

export interface CallOptions {
  /** Aborts when the caller no longer waits; every call must settle soon after. */
  readonly signal: AbortSignal;
}

/** What a store can bear; fixed for an instance unless describe() says otherwise. */
export interface StoreTraits {
  /** The longest value it keeps, in characters. */
  readonly maxValueBytes: number;
  /** The same for values that programs of other makes need not be able to read; absent: maxValueBytes. */
  readonly maxLongValue?: number;
  /** How often reading one key is acceptable, in milliseconds. */
  readonly minPollMs: number;
  /** How often to read while a peer is not connected, by the time since it is looked for: each step holds until `untilMs`, after the
   * last one minPollMs holds. Absent: minPollMs at once. */
  readonly pollSchedule?: readonly { readonly untilMs: number; readonly everyMs: number }[];
  /** How long it keeps a value that is not written again, in milliseconds; absent: for ever. */
  readonly expiresAfterMs?: number;
  /** How many calls it takes at a time, fixed for an instance; absent: eight. */
  readonly maxCalls?: number;
}

export interface WatchListener {
  /** The value of `key` may have changed; `value` where the store already knows it. */
  change(key: string, value?: string): void;
  /** Watching suffered; the host goes on polling and may watch again. */
  fault(error: StunmeshError): void;
}

/** A watch that stands, until it is disposed. */
export interface StoreWatch extends AsyncDisposable {
  /** Why changes by others may stay unheard though our own are heard, in some words without secrets ("on a network file system"): the host
   * goes on polling. Undefined: all are heard. It may change while the watch stands. */
  readonly incomplete?: string | undefined;
}

/** Something that is not as it should be, though the store works. */
export interface StoreRemark {
  /** One sentence, without secrets. */
  readonly text: string;
  /** What to do. */
  readonly remedy: string;
}

/** An open store. Keys are 40 lower-case hex digits, values hex text. Failures are StunmeshErrors. */
export interface Store extends AsyncDisposable {
  /** The value, or undefined when there is none (F33); everything else that goes wrong rejects. */
  get(key: string, options: CallOptions): Promise<string | undefined>;
  /** Resolves once the backend accepted the value. */
  set(key: string, value: string, options: CallOptions): Promise<void>;
  /** Removes the value; resolves too when there was none. */
  delete?(key: string, options: CallOptions): Promise<void>;
  /** Several at once; absent keys are absent from the map, a key that failed has its error. */
  getMany?(keys: readonly string[], options: CallOptions): Promise<ReadonlyMap<string, string | StunmeshError>>;
  /** Several at once; the map holds the failures only. */
  setMany?(records: ReadonlyMap<string, string>, options: CallOptions): Promise<ReadonlyMap<string, StunmeshError>>;
  /** Calls back on changes until the result is disposed, on those that this instance makes too: by these the host sees that the watch
   * lives. As long as it does, and says nothing of being incomplete, the host reads at its refreshes only; else it polls. */
  watch?(keys: readonly string[], on: WatchListener, options: CallOptions): Promise<StoreWatch>;
  /** Traits that only the backend itself knows. */
  describe?(options: CallOptions): Promise<Partial<StoreTraits>>;
  /** What no other call shows and an operator should know; doctor asks. Changes nothing. */
  examine?(options: CallOptions): Promise<readonly StoreRemark[]>;
  /** How it went of late, in some words for `status` and doctor; undefined: nothing to say. */
  note?(): string | undefined;
}

/** Opens a TCP connection in the way that gets past a tunnel: where a device's allowed IPs cover everything, its packets carry the
 * device's firewall mark, and so does the question for the name. Errors: ERR_RESOLVE, ERR_STORE_UNAVAILABLE, the signal's reason. */
export type Connect = (options: {
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
}) => Promise<Socket>;

/** An unconnected UDP socket. */
export interface DatagramPort extends AsyncDisposable {
  /** Errors: ERR_CAPTURE_SEND, ERR_CAPTURE_BLOCKED, ERR_CAPTURE_UNREACHABLE, ERR_CLOSED. */
  send(message: Uint8Array, to: Endpoint): Promise<void>;
}

/** Opens a UDP socket that gets past a tunnel which covers everything, as Connect does. */
export type OpenDatagrams = (options: {
  readonly family: Family;
  onMessage(message: Uint8Array, from: Endpoint): void;
  /** The socket is of no use any more. */
  onFault(error: StunmeshError): void;
}) => Promise<DatagramPort>;

export interface StoreComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** For every TCP connection of the store; absent: connect as you like. */
  readonly connect?: Connect;
  /** The mark that sockets have to carry now to get past a tunnel which covers everything; 0: none. It may change at any time. */
  firewallMark?(): number;
  /** Names of environment variables that hold secrets of other stores: a store that starts programs withholds them. */
  readonly secretVariables?: readonly string[];
  /** A folder for temporary files, made where it is not there: mode 0700, of this process alone, in a place that nobody else can change;
   * what a crash leaves in it the next start removes. Absent: a fresh mkdtemp of your own, which you remove. Errors: an errno. */
  scratchFolder?(): string;
  /** For UDP sockets of the store; absent: open them as you like. */
  readonly openDatagrams?: OpenDatagrams;
  /** Numeric addresses of a name, past a tunnel likewise. Errors: ERR_RESOLVE, the signal's reason. */
  resolve?(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** 32 bytes that only the two hosts of this store key share, the same on both, of this module alone; undefined: it is no pair of
   * ours. A store sees no WireGuard key. */
  secretFor?(key: string): Uint8Array | undefined;
  /** A folder of this instance that outlives the process, made where it is not there (mode 0700); absent: remember nothing. Errors: an
   * errno. */
  stateFolder?(): Promise<string>;
}

/** What a store package exports by default. */
export interface StoreModule<Config = unknown> {
  readonly kind: 'store';
  readonly apiVersion: 1;
  readonly name: string;
  /** JSON Schema of the instance's own keys (not `type`, `name`, `timeout`, `dedup`, which are the host's). */
  readonly configSchema: object;
  traits(config: Config): StoreTraits;
  /** Makes an instance without any I/O (F32): the first call connects. Settings that a schema cannot judge are refused here with
   * ERR_CONFIG_INVALID; its `details.key` names the setting, so that the file's position can be told. */
  open(config: Config, components: StoreComponents): Promise<Store>;
}
