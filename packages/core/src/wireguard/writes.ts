/** Gathers endpoint writes per device: the first goes at once, those within 100 ms after it go together (F24). */
import {
  type Clock,
  type Endpoint,
  hasCode,
  type PublicKey,
  StunmeshError,
  type WireGuardControl,
} from '../api/index.js';
import { peerMissing } from './errors.js';

const GATHER_MS = 100;
const WRITE_MS = 15_000;

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** What a peer's endpoint is to be, and all who wait for it; a later one takes the place of an earlier. */
interface Entry {
  endpoint: Endpoint;
  readonly waiters: Set<Waiter>;
}

export interface EndpointWriter extends AsyncDisposable {
  /** Resolves once the device has it. Errors: ERR_WG_PEER_NOT_FOUND, the control's, ERR_CLOSED; one peer's failure is its own (F13). */
  set(device: string, publicKey: PublicKey, endpoint: Endpoint, signal: AbortSignal): Promise<void>;
}

export function createEndpointWriter({
  control,
  clock,
}: {
  readonly control: Pick<WireGuardControl, 'setPeerEndpoints'>;
  readonly clock: Clock;
}): EndpointWriter {
  const queues = new Map<string, Map<PublicKey, Entry>>();
  const loops = new Set<Promise<void>>();
  const closing = new AbortController();

  /** Writes what waits, rests, and ends when nothing came meanwhile. */
  async function drain(device: string, queue: Map<PublicKey, Entry>): Promise<void> {
    while (queue.size > 0) {
      const batch = new Map(queue);
      queue.clear();
      const rest = clock.sleep(GATHER_MS, closing.signal).catch(() => undefined);
      await write(device, batch);
      await rest;
    }
    queues.delete(device);
  }

  async function write(device: string, batch: ReadonlyMap<PublicKey, Entry>): Promise<void> {
    using deadline = clock.deadline(WRITE_MS, closing.signal);
    try {
      const endpoints = new Map([...batch].map(([key, entry]) => [key, entry.endpoint]));
      const done = await control.setPeerEndpoints(device, endpoints, deadline);
      for (const [key, { waiters }] of batch)
        for (const w of waiters) done.has(key) ? w.resolve() : w.reject(peerMissing(device, key));
    } catch (error) {
      // Only a refused value can be one peer's fault: halve until it stands alone.
      if (batch.size > 1 && hasCode(error, 'ERR_WG_FAILED')) {
        const all = [...batch];
        await write(device, new Map(all.slice(0, all.length >> 1)));
        await write(device, new Map(all.slice(all.length >> 1)));
        return;
      }
      for (const { waiters } of batch.values()) for (const w of waiters) w.reject(error);
    }
  }

  return {
    set(device, publicKey, endpoint, signal) {
      return new Promise((resolve, reject) => {
        closing.signal.throwIfAborted();
        signal.throwIfAborted();
        const queue = queues.get(device) ?? new Map<PublicKey, Entry>();
        const entry = queue.get(publicKey) ?? { endpoint, waiters: new Set<Waiter>() };
        entry.endpoint = endpoint;
        queue.set(publicKey, entry);
        const onAbort = () => {
          entry.waiters.delete(waiter);
          // Nobody waits for it any more: it is not written.
          if (entry.waiters.size === 0 && queue.get(publicKey) === entry) queue.delete(publicKey);
          reject(signal.reason);
        };
        const over = (finish: () => void) => {
          signal.removeEventListener('abort', onAbort);
          finish();
        };
        const waiter: Waiter = { resolve: () => over(resolve), reject: (error) => over(() => reject(error)) };
        entry.waiters.add(waiter);
        signal.addEventListener('abort', onAbort, { once: true });
        if (queues.has(device)) return;
        queues.set(device, queue);
        const loop = drain(device, queue).finally(() => loops.delete(loop));
        loops.add(loop);
      });
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new StunmeshError('ERR_CLOSED', 'the endpoint writer is closed'));
      for (const queue of queues.values())
        for (const { waiters } of queue.values()) for (const w of waiters) w.reject(closing.signal.reason);
      for (const queue of queues.values()) queue.clear();
      await Promise.all(loops);
    },
  };
}
