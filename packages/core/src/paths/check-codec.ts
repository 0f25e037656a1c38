/** One peer's checks between the state machine and the wire: what next() asks for as bytes, and bytes as an answer. */
import type { CheckKeys, PairKeys } from '../record/pair-keys.js';
import {
  type CheckAnswer,
  type CheckRequest,
  checkTag,
  formatCheckRequest,
  parseCheckAnswer,
} from './check-message.js';
import { slotOf } from './check-tags.js';

export class CheckCodec {
  readonly #keys: Pick<PairKeys, 'send' | 'receive'>;
  /** Derived when they are first needed: a start with many peers that are connected needs few. */
  #send: CheckKeys | undefined;
  #receive: CheckKeys | undefined;
  /** The tag is the same for 64 s. */
  #tag: { readonly slot: number; readonly bytes: Uint8Array } | undefined;

  constructor(keys: Pick<PairKeys, 'send' | 'receive'>) {
    this.#keys = keys;
  }

  /** `seconds` since 1970 by our own clock, sane or not. */
  request(
    send: Omit<CheckRequest, 'clockSane' | 'seconds'>,
    at: { readonly seconds: number; readonly clockSane: boolean },
  ): Uint8Array {
    this.#send ??= this.#keys.send();
    const slot = slotOf(at.seconds, at.clockSane);
    if (this.#tag?.slot !== slot) this.#tag = { slot, bytes: checkTag(this.#send, slot) };
    const seconds = Math.max(0, Math.floor(at.seconds));
    return formatCheckRequest(this.#send, this.#tag.bytes, { ...send, clockSane: at.clockSane, seconds });
  }

  /** undefined: not an answer of this peer. */
  answer(bytes: Uint8Array): CheckAnswer | undefined {
    this.#receive ??= this.#keys.receive();
    return parseCheckAnswer(this.#receive, bytes);
  }
}
