/** Single reads and writes asked for in one turn go to the backend together where it can: calls per beat, not per peer (F36). */
import { type CallOptions, isStunmeshError, type StunmeshError } from '../api/index.js';

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Everything that was asked for under one signal since the last turn. */
interface Turn<Input, Output> {
  readonly inputs: Map<string, Input>;
  readonly waiters: Map<string, Waiter<Output>[]>;
}

export interface GatherOptions<Input, Output> {
  /** For a key that is alone in its turn. */
  one(key: string, input: Input, options: CallOptions): Promise<Output>;
  /** For several; never rejects: a key that failed has its error in the map. */
  many(inputs: ReadonlyMap<string, Input>, options: CallOptions): Promise<ReadonlyMap<string, unknown>>;
  /** A key's outcome from its entry in the map. */
  outcome(entry: unknown): Output;
  /** Checks before anything waits: what it throws is the key's own failure (F13). */
  check(key: string, input: Input): void;
}

/** A call for one key that shares a call to the backend with the others of its turn; a key asked for twice takes the later input. */
export function createGather<Input, Output>(
  o: GatherOptions<Input, Output>,
): (key: string, input: Input, options: CallOptions) => Promise<Output> {
  const turns = new Map<AbortSignal, Turn<Input, Output>>();

  const send = async (signal: AbortSignal, { inputs, waiters }: Turn<Input, Output>): Promise<void> => {
    const settle = (key: string, action: (waiter: Waiter<Output>) => void) =>
      waiters.get(key)?.forEach((waiter) => void action(waiter));
    const [only] = inputs;
    if (only && inputs.size === 1) {
      const [key, input] = only;
      await o.one(key, input, { signal }).then(
        (value) => settle(key, (waiter) => waiter.resolve(value)),
        (error) => settle(key, (waiter) => waiter.reject(error)),
      );
      return;
    }
    const answers = await o.many(inputs, { signal });
    for (const key of inputs.keys()) {
      const entry = answers.get(key);
      if (isFailure(entry)) settle(key, (waiter) => waiter.reject(entry));
      else settle(key, (waiter) => waiter.resolve(o.outcome(entry)));
    }
  };

  return async (key, input, { signal }) => {
    o.check(key, input);
    let turn = turns.get(signal);
    if (!turn) {
      const started: Turn<Input, Output> = { inputs: new Map(), waiters: new Map() };
      turn = started;
      turns.set(signal, started);
      queueMicrotask(() => {
        turns.delete(signal);
        void send(signal, started);
      });
    }
    const { inputs, waiters } = turn;
    inputs.set(key, input);
    return new Promise<Output>((resolve, reject) => {
      waiters.set(key, [...(waiters.get(key) ?? []), { resolve, reject }]);
    });
  };
}

function isFailure(entry: unknown): entry is StunmeshError {
  return isStunmeshError(entry);
}
