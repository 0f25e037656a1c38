/** Reads the Redis protocol, version 2, as it passes: where each message begins and ends, and nothing of it is kept (RESP specification). */

/** What one message may be. */
export interface MessageLimits {
  /** Values in it, those of lists inside lists included. */
  readonly values: number;
  /** Bytes of it, lines and texts together. */
  readonly bytes: number;
  /** Of a text that is longer so much is passed on, and the rest is dropped. */
  readonly textBytes: number;
}

export interface Message {
  /** Its first byte: + - : $ or *. */
  readonly type: string;
  /** Of a list: how long it says it is. */
  readonly length: number;
  /** Its first text in lower case, where that is short. */
  readonly word: string;
}

export interface RespReader {
  /** What of this piece is to be passed on. Throws a TooMuch. */
  read(piece: Buffer): Buffer;
}

/** A message is larger than it may be, or none of this protocol. */
export class TooMuch extends Error {}

const LF = 10;
const MOST_LINE_BYTES = 8_192;
const MOST_DEPTH = 8;
const MOST_WORD_BYTES = 32;
const END = Buffer.from('\r\n');

/** `begin` is asked for the limits when a message begins, `end` is told when it has ended. Both may throw a TooMuch. */
export function createRespReader(begin: () => MessageLimits, end: (message: Message) => void): RespReader {
  let held = Buffer.alloc(0);
  /** Lists that are open: how many values each still lacks. */
  const open: number[] = [];
  let limits: MessageLimits | undefined;
  let message: { type: string; length: number; word: string } = { type: '', length: 0, word: '' };
  let values = 0;
  let bytes = 0;
  /** Of the text that is being read, its end included: how much is still to come, and how much of that is passed on. */
  let text = { left: 0, keep: 0, first: false };

  const finish = (): void => {
    for (let lacks = open.pop(); lacks !== undefined; lacks = open.pop()) {
      if (lacks === 1) continue;
      open.push(lacks - 1);
      return;
    }
    limits = undefined;
    end(message);
  };

  const count = (size: number): void => {
    bytes += size;
    if (bytes > (limits?.bytes ?? 0)) throw new TooMuch(`more than ${limits?.bytes ?? 0} bytes in one answer`);
  };

  /** The line as it is passed on. */
  const line = (raw: Buffer): Buffer => {
    const type = String.fromCharCode(raw[0] ?? 0);
    const number = Number(raw.toString('latin1', 1, raw.length - END.length));
    if (limits === undefined) {
      limits = begin();
      message = { type, length: number, word: '' };
      values = 0;
      bytes = 0;
    }
    values += 1;
    if (values > limits.values) throw new TooMuch(`more than ${limits.values} values in one answer`);
    count(raw.length);
    if (type === '+' || type === '-' || type === ':') {
      finish();
      return raw;
    }
    if ((type !== '$' && type !== '*') || !Number.isInteger(number) || number < -1)
      throw new TooMuch('something that is not the protocol of Redis');
    if (type === '*') {
      if (number > limits.values) throw new TooMuch(`a list of ${number} values`);
      if (number > 0) open.push(number);
      else finish();
      if (open.length > MOST_DEPTH) throw new TooMuch('lists in lists in lists');
      return raw;
    }
    if (number === -1) {
      finish();
      return raw;
    }
    count(number + END.length);
    const keep = Math.min(number, limits.textBytes);
    text = { left: number + END.length, keep, first: message.word === '' && number <= MOST_WORD_BYTES };
    return keep === number ? raw : Buffer.from(`$${keep}\r\n`);
  };

  return {
    read(piece) {
      const all = held.length === 0 ? piece : Buffer.concat([held, piece]);
      const passed: Buffer[] = [];
      let at = 0;
      while (at < all.length) {
        if (text.left > 0) {
          const here = all.subarray(at, at + text.left);
          if (text.first && here.length < text.left) break;
          if (text.first) message.word = here.toString('latin1', 0, here.length - END.length).toLowerCase();
          const kept = here.subarray(0, text.keep);
          passed.push(kept);
          text = { left: text.left - here.length, keep: text.keep - kept.length, first: false };
          at += here.length;
          if (text.left > 0) continue;
          passed.push(END);
          finish();
          continue;
        }
        const feed = all.indexOf(LF, at);
        if (feed < 0) {
          if (all.length - at > MOST_LINE_BYTES) throw new TooMuch('a line without an end');
          break;
        }
        if (feed - at > MOST_LINE_BYTES) throw new TooMuch('a line of more than 8,192 bytes');
        passed.push(line(all.subarray(at, feed + 1)));
        at = feed + 1;
      }
      held = Buffer.from(all.subarray(at));
      return Buffer.concat(passed);
    },
  };
}
