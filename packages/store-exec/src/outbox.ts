/** Requests on their way to a process: one at a time as it takes them, so that what is given up before its turn is never sent. */
import type { Writable } from 'node:stream';

export interface Outbox {
  add(id: number, text: string): void;
  /** Takes back what was not sent yet. */
  drop(id: number): void;
}

export function createOutbox(stream: Writable): Outbox {
  const waiting = new Map<number, string>();
  let free = true;

  const pump = (): void => {
    for (const [id, text] of waiting) {
      if (!free) return;
      waiting.delete(id);
      free = stream.write(text);
    }
  };
  stream.on('drain', () => {
    free = true;
    pump();
  });
  // A reader that is gone is noticed by its end.
  stream.on('error', () => {});
  return {
    add(id, text) {
      waiting.set(id, text);
      pump();
    },
    drop: (id) => void waiting.delete(id),
  };
}
