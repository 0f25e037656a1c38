/** Stands between a socket and the parser of ioredis: what was not asked for, or is larger than what was, ends the connection (F76). */
import type { Socket } from 'node:net';
import type { Clock } from '@stunmesh/core/api';
import { createRespReader, type Message, type MessageLimits, TooMuch } from './resp-reader.js';

/** A text that is longer than any record is passed on cut, so that the host refuses it; only a far longer one ends the connection. */
const TEXT_BYTES = 65_537;
const MOST_BYTES = 16 * 1024 * 1024;
/** For each name of an MGET, on average. */
const RECORD_BYTES = 8 * 1024;
const SMALL: MessageLimits = { values: 16, bytes: 16 * 1024, textBytes: TEXT_BYTES };
/** Of CLUSTER SLOTS: a cluster in which every slot has moved. */
const CLUSTER: MessageLimits = { values: 500_000, bytes: MOST_BYTES, textBytes: TEXT_BYTES };
/** On a connection for news anything may be the news of a record. */
const NEWS: MessageLimits = { values: 16, bytes: 2 * TEXT_BYTES, textBytes: TEXT_BYTES };
const ENDLESS: MessageLimits = { values: Infinity, bytes: Infinity, textBytes: Infinity };

/** News come at most so often: each channel some at once, and all of them so many a second. */
const NEWS_AT_ONCE = 500;
const NEWS_OF_CHANNEL = 10;
const NEWS_A_SECOND = 100;

/** Commands with an answer for each of their names. */
const MANY_ANSWERS = /^(un)?subscribe$/;

export interface GuardOptions {
  readonly clock: Clock;
  /** Makes the error by which a socket is ended. */
  onExcess(what: string): Error;
}

export interface AnswerGuard {
  /** What goes to the server. */
  asked(piece: Buffer): void;
  /** What of this the parser may see. Throws a TooMuch. */
  answered(piece: Buffer): Buffer;
}

export function createAnswerGuard(clock: Clock): AnswerGuard {
  /** The answers that are due, in order. */
  const due: MessageLimits[] = [];
  let channels = 0;
  let answers = 0;
  let left = NEWS_AT_ONCE;
  let since = clock.now();

  const countNews = (): void => {
    const now = clock.now();
    left = Math.min(left + ((now - since) / 1_000) * NEWS_A_SECOND, NEWS_AT_ONCE + NEWS_OF_CHANNEL * channels);
    since = now;
    left -= 1;
    if (left < 0) throw new TooMuch('news without end');
  };

  const questions = createRespReader(
    () => ENDLESS,
    ({ word, length }) => {
      const names = Math.max(1, length - 1);
      if (word === 'subscribe') channels += names;
      if (word === 'subscribe') left += NEWS_OF_CHANNEL * names;
      for (let more = MANY_ANSWERS.test(word) ? names : 1; more > 0; more -= 1) due.push(limitsOf(word, names));
    },
  );

  const replies = createRespReader(
    () => {
      const next = due[0];
      if (channels > 0) return next && next.bytes > NEWS.bytes ? next : NEWS;
      // A server that takes nobody in says so before it is asked anything.
      if (next === undefined && answers > 0) throw new TooMuch('an answer to nothing');
      return next ?? SMALL;
    },
    (message) => {
      answers += 1;
      if (isNews(message) && channels > 0) countNews();
      else if (due.shift() === undefined && (answers > 1 || message.type !== '-'))
        throw new TooMuch('an answer to nothing');
    },
  );

  return {
    asked: (piece) => void questions.read(piece),
    answered: (piece) => replies.read(piece),
  };
}

const isNews = ({ type, word }: Message): boolean => type === '*' && word === 'message';

function limitsOf(word: string, names: number): MessageLimits {
  if (word === 'mget') {
    const bytes = Math.min(2 * MOST_BYTES, MOST_BYTES + names * RECORD_BYTES);
    return { values: names + 1, bytes, textBytes: TEXT_BYTES };
  }
  return word === 'cluster' ? CLUSTER : SMALL;
}

/** From now on the socket takes and gives only what the guard lets through. */
export function guardSocket<S extends Socket>(socket: S, { clock, onExcess }: GuardOptions): S {
  const guard = createAnswerGuard(clock);
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  const push = socket.push.bind(socket);
  // Every byte that Node reads goes through push, and every one that ioredis writes through write (stream, Readable and Writable).
  socket.write = ((piece: string | Uint8Array, ...rest: unknown[]): boolean => {
    const bytes = Buffer.from(piece as string, typeof rest[0] === 'string' ? (rest[0] as BufferEncoding) : 'utf8');
    guard.asked(bytes);
    return write(bytes, ...rest);
  }) as S['write'];
  socket.push = (piece: unknown): boolean => {
    if (!(piece instanceof Uint8Array) || socket.destroyed) return push(piece);
    try {
      const passed = guard.answered(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      return passed.length === 0 ? true : push(passed);
    } catch (cause) {
      socket.destroy(onExcess(cause instanceof TooMuch ? cause.message : 'what cannot be read'));
      return false;
    }
  };
  return socket;
}
