/** Discovers our addresses and leaves a sealed record for every peer, where something changed (F11 to F15). */
import type { PeerEntry } from '../../peers/peer-table.js';
import { type Coalesced, createCoalesced } from '../../runtime/coalesce.js';
import type { DeviceComponents } from '../device-components.js';
import type { DiscoverySchedule } from './discovery-schedule.js';
import type { Gather } from './gather.js';
import type { Writing } from './writing.js';

export interface Publish {
  /** A new discovery, then records where they changed. Never rejects. */
  refresh(): Promise<void>;
  /** The same, unless a discovery began within the last two seconds: peers that fail together share one (F15). */
  look(): Promise<void>;
  /** Writes what is due (changed, failed before, or old) from the candidates at hand. Never rejects. */
  flush(): Promise<void>;
  /** Our record for this peer is written again, with the same `t` and what it acknowledges now. Never rejects. */
  rewrite(peer: PeerEntry): Promise<void>;
  /** Likewise with a new `t`: what it tells holds still. Never rejects. */
  restate(peer: PeerEntry): Promise<void>;
  /** A discovery is under way, or what follows from it before records tell of it (F18c). */
  readonly finding: boolean;
  /** When flush has work next; monotonic milliseconds. */
  nextFlushAt(): number;
  /** What kept a store away may be over: those that are down are asked at once. */
  wakeStores(): void;
  stop(): Promise<void>;
}

export interface PublishComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'stores' | 'signal' | 'stateChanged'> {
  readonly gather: Gather;
  readonly schedule: DiscoverySchedule;
  readonly writing: Writing;
  /** Our mapping changed: called, and awaited, before the new one is published (F18c). */
  mappingChanged(): Promise<void>;
  /** A discovery found what it could; its way to the server is the one that the mappings were found by. */
  discovered(): Promise<void>;
}

export function createPublish(components: PublishComponents): Publish {
  const { device, clock, logger, stores, signal, stateChanged, gather, schedule, writing } = components;
  const flushes = new Map<string, Coalesced>();
  const logInternal = (error: unknown): void => {
    if (!signal.aborted) logger.error({ device: device.name, error }, 'publishing failed');
  };
  const storeNames = () => new Set(device.peers.flatMap((peer) => peer.config.plugins));

  const wakeStores = (): void => {
    for (const name of storeNames()) stores.get(name)?.wake?.();
    // A write that failed a moment ago may have failed for the same reason.
    for (const { publishRetry } of device.peers)
      for (const [name, retry] of publishRetry)
        publishRetry.set(name, { ...retry, at: Math.min(retry.at, clock.now()) });
  };

  const flush = async (): Promise<void> => {
    // Each store has a job of its own, so that a hung one keeps no other waiting (F13).
    await Promise.all(
      [...storeNames()].map((name) => {
        const job = flushes.get(name) ?? createCoalesced(() => writing.flushStore(name), logInternal);
        flushes.set(name, job);
        return job.trigger();
      }),
    );
  };

  const discover = async (): Promise<void> => {
    device.discovering = true;
    schedule.began();
    const changed = await gather.gather().finally(() => {
      device.discovering = false;
    });
    // At once, or a record that is written meanwhile tells the new mapping by the old count.
    if (changed) device.generation += 1;
    await components.discovered();
    schedule.ended(device.candidates.some(({ type }) => type === 'reflexive'));
    if (!changed) return;
    wakeStores();
    stateChanged();
    await components.mappingChanged();
  };
  const discovery = createCoalesced(discover, logInternal);

  const refresh: Publish['refresh'] = async () => {
    writing.prepare();
    await discovery.trigger();
    // No part of that job: the next discovery does not wait for a store that hangs.
    await flush();
  };

  return {
    refresh,
    get finding() {
      return discovery.running;
    },
    async look() {
      if (schedule.rested) await refresh();
    },
    flush,
    async rewrite(peer) {
      writing.rewrite(peer);
      await flush();
    },
    async restate(peer) {
      writing.restate(peer);
      await flush();
    },
    nextFlushAt() {
      let at = Number.POSITIVE_INFINITY;
      for (const peer of device.peers)
        for (const name of peer.config.plugins) at = Math.min(at, writing.dueAt(peer, name));
      return at;
    },
    wakeStores,
    async stop() {
      await Promise.all([discovery, ...flushes.values()].map((job) => job.stop()));
    },
  };
}
