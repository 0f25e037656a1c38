/** Which peer a transaction id of ours was made for, so that an answer is tried with one key and not with a thousand. */
import { TRANSACTION_ID_BYTES } from '../stun/message.js';

/** Later than this no answer counts. */
const KEPT_MS = 10_000;
/** More than the budget of a host allows within that time. */
const MOST = 8_192;

/** `Peer` is whatever the caller knows a peer by; times are milliseconds of a monotonic clock. */
export class CheckIds<Peer> {
  readonly #prefix: Uint8Array;
  readonly #random: (bytes: number) => Uint8Array;
  /** Oldest first. */
  readonly #made = new Map<string, { readonly peer: Peer; readonly at: number }>();

  /** `prefix`: the first bytes of every id, four, by which a packet filter knows the answers of a socket. */
  constructor(prefix: Uint8Array, random: (bytes: number) => Uint8Array) {
    this.#prefix = prefix;
    this.#random = random;
  }

  create(now: number, peer: Peer): Uint8Array {
    for (const [old, { at }] of this.#made) {
      if (now - at <= KEPT_MS && this.#made.size < MOST) break;
      this.#made.delete(old);
    }
    const id = new Uint8Array(TRANSACTION_ID_BYTES);
    id.set(this.#prefix);
    id.set(this.#random(TRANSACTION_ID_BYTES - this.#prefix.length), this.#prefix.length);
    this.#made.set(nameOf(id), { peer, at: now });
    return id;
  }

  /** `message` is a STUN message; undefined: it answers nothing of ours. */
  peerOf(now: number, message: Uint8Array): Peer | undefined {
    const found = this.#made.get(nameOf(message.subarray(8, 8 + TRANSACTION_ID_BYTES)));
    return found && now - found.at <= KEPT_MS ? found.peer : undefined;
  }
}

function nameOf(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1');
}
