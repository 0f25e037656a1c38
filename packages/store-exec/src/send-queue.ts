/** Requests on their way to a process: as many as it can take, so that what is given up before its turn is never sent. */
import type { Writable } from 'node:stream';

export interface SendQueue {
  add(id: number, text: string): void;
  /** The request is answered, or given up: takes it back when it was not sent yet, and makes room for the next. */
  over(id: number): void;
  /** Sends nothing any more. */
  stop(): void;
}

/** At most `limit` requests are sent and not over. */
export function createSendQueue(stream: Writable, limit: number): SendQueue {
  const waiting = new Map<number, string>();
  const sent = new Set<number>();
  let flowing = true;

  const pump = (): void => {
    for (const [id, text] of waiting) {
      if (!flowing || sent.size >= limit) return;
      waiting.delete(id);
      sent.add(id);
      flowing = stream.write(text);
    }
  };
  const onDrain = (): void => {
    flowing = true;
    pump();
  };
  stream.on('drain', onDrain);
  // A reader that is gone is noticed by its end.
  stream.on('error', () => {});
  return {
    add(id, text) {
      waiting.set(id, text);
      pump();
    },
    over(id) {
      waiting.delete(id);
      if (sent.delete(id)) pump();
    },
    stop() {
      flowing = false;
      stream.off('drain', onDrain);
    },
  };
}
