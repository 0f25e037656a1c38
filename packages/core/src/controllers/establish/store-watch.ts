/** Watches peers' records in one store, and proves by a heartbeat that changes are told: what we write under a key of our own we have to hear. */
import { randomBytes } from 'node:crypto';
import { isStunmeshError, type StoreWatch, type StunmeshError, type WatchListener } from '../../api/index.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { WatchState, WatchView } from '../../peers/watch-view.js';
import { backoff, doubling } from '../../runtime/backoff.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';
import { createUnannounced } from './unannounced.js';

/** How long after it was written a heartbeat may be heard; later the watch counts as silent. */
export const HEARD_MS = 5_000;
/** Time between two heartbeats while a peer is looked for, by how long that takes; none while nobody is. */
const BEAT_MS = 30_000;
const MOST_BEAT_MS = 60_000;
/** What was heard counts until the next heartbeat should have been, and a poll tick and a slow write longer. */
const SLACK_MS = 20_000;
const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 5 * 60_000;
/** Whoever writes to the store can make news of our key as often as he likes: what they set in motion has this pause (F77). */
const STRANGE_MS = 10_000;
/** News of our key that come so soon after our own write are of that write. */
const OWN_NEWS_MS = 1_000;

export interface WatchNews {
  /** A peer's record may be another one. */
  changed(peer: PeerEntry): void;
  /** Whether changes are told is another answer than before: for all peers of this store, or for one; with `since`: they are, of all that
   * changed after it. */
  turned(of: { readonly peer?: PeerEntry; readonly since?: number }): void;
  /** Another host has our key: it writes heartbeats, too. */
  shared(): void;
}

export interface StoreWatching extends AsyncDisposable {
  /** Does what is due. `waitingMs`: how long the youngest peer is looked for that has records here; undefined: nobody is. */
  tick(waitingMs: number | undefined): void;
  /** When a tick is needed, monotonic milliseconds; what can wait for the next one that comes anyway is left out. */
  readonly dueAt: number;
  /** A change of this peer's record would be heard. */
  isTold(peer: PeerEntry): boolean;
  /** A reading found another record than the one before, which began at `since`. */
  found(peer: PeerEntry, since: number): void;
}

export interface StoreWatchComponents extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'signal'> {
  readonly store: NamedStore;
  /** Of the heartbeat. */
  readonly ownKey: string;
  readonly keys: ReadonlyMap<string, PeerEntry>;
  readonly on: WatchNews;
}

export function createStoreWatch(components: StoreWatchComponents): StoreWatching {
  const { device, clock, logger, signal, store, ownKey, keys, on } = components;
  const about = { device: device.name, store: store.name };
  let watch: StoreWatch | undefined;
  let opening: Promise<void> | undefined;
  let closed = false;
  let state: WatchState = 'unproven';
  let why: string | undefined;
  let stateSince = clock.now();
  let wallSince = clock.wallNow();
  /** The one that is to be heard; `writtenAt`: the store has taken it. */
  let beat: { readonly value: string; writtenAt?: number } | undefined;
  let last: { readonly value: string; readonly begunAt: number; at: number } | undefined;
  let provenUntil = Number.NEGATIVE_INFINITY;
  let nextBeatAt = clock.now();
  let openAt = clock.now();
  let failures = 0;
  let waitingForMs = 0;

  const isProven = (): boolean => state === 'told' && clock.now() <= provenUntil;
  const show = (): void => {
    const view: WatchView = {
      state,
      since: wallSince,
      unannounced: unannounced.size,
      ...(why === undefined ? {} : { why }),
    };
    device.watches.set(store.name, view);
  };
  const unannounced = createUnannounced({
    clock,
    graceMs: HEARD_MS,
    wasToldSince: (at) => isProven() && stateSince <= at,
    news(peer, first) {
      const fields = { ...about, peer: peer.name };
      const text = 'a record changed, and the store that is watched did not say so; this peer’s is polled';
      if (first) logger.info(fields, text);
      else logger.debug(fields, text);
      show();
      on.turned({ peer });
    },
  });

  const become = (next: WatchState, reason?: string): void => {
    const before = state;
    why = reason;
    if (before !== next) {
      state = next;
      stateSince = clock.now();
      wallSince = clock.wallNow();
    }
    show();
    if (before === next) return;
    if (next === 'silent')
      logger.warn(about, 'the watch of the store is silent, our own heartbeat was not heard: records are polled');
    if (next === 'incomplete') logger.info({ ...about, why: reason }, 'not all changes are told: records are polled');
    if (next === 'told' && before !== 'unproven') logger.info(about, 'the store tells of changes again');
    if (next === 'told') on.turned({ since: last?.begunAt ?? stateSince });
    else if (before === 'told') on.turned({});
  };

  const failed = (error: unknown, text: string): void => {
    if (closed || signal.aborted) return;
    const { message, code } = isStunmeshError(error) ? error : { message: 'an error of its own', code: 'ERR_INTERNAL' };
    beat = undefined;
    failures += 1;
    nextBeatAt = clock.now() + doubling(failures, FIRST_RETRY_MS, MOST_RETRY_MS);
    if (state !== 'failed') logger.debug({ ...about, error: code }, text);
    become('failed', message);
  };

  const heard = (): void => {
    const now = clock.now();
    beat = undefined;
    failures = 0;
    openAt = Number.POSITIVE_INFINITY;
    const gapMs = Math.max(backoff(waitingForMs, BEAT_MS, MOST_BEAT_MS), store.traits.minPollMs);
    nextBeatAt = now + gapMs;
    provenUntil = nextBeatAt + SLACK_MS;
    const incomplete = watch?.incomplete;
    if (incomplete === undefined) become('told');
    else become('incomplete', incomplete);
  };

  const writeBeat = async (): Promise<void> => {
    const incomplete = watch?.incomplete;
    if (incomplete !== undefined) {
      nextBeatAt = clock.now() + MOST_BEAT_MS;
      become('incomplete', incomplete);
      return;
    }
    const mine: NonNullable<typeof beat> = { value: randomBytes(32).toString('hex') };
    beat = mine;
    const written = { value: mine.value, begunAt: clock.now(), at: clock.now() };
    last = written;
    try {
      await store.set(ownKey, mine.value, { signal });
      mine.writtenAt = clock.now();
      written.at = clock.now();
    } catch (error) {
      if (beat === mine) failed(error, 'no heartbeat can be written; records are polled');
    }
  };

  let strangeAt = Number.NEGATIVE_INFINITY;
  const mayReact = (): boolean => {
    const now = clock.now();
    if (now - strangeAt < STRANGE_MS) return false;
    strangeAt = now;
    return true;
  };

  /** News of our own key. */
  const onOwnKey = (value: string | undefined): void => {
    if (beat && (value === undefined || value === beat.value)) heard();
    else if (value !== undefined) {
      if (value !== last?.value && mayReact()) on.shared();
      // All keys were told of, as something may have been missed: the watch may be back.
    } else if (!opening && state !== 'told') {
      if (mayReact()) void writeBeat();
    } else if (clock.now() - (last?.at ?? 0) > OWN_NEWS_MS && mayReact()) void lookAtOwnKey();
  };

  const lookAtOwnKey = async (): Promise<void> => {
    const value = await store.get(ownKey, { signal }).catch(() => undefined);
    if (value !== undefined && value !== last?.value) on.shared();
  };

  const listener: WatchListener = {
    change(key, value) {
      if (closed) return;
      if (key === ownKey) onOwnKey(value);
      const peer = keys.get(key);
      if (!peer) return;
      if (unannounced.heard(peer)) show();
      on.changed(peer);
    },
    fault: (error: StunmeshError) => failed(error, 'watching suffered; polling goes on'),
  };

  const open = async (): Promise<void> => {
    openAt = Number.POSITIVE_INFINITY;
    try {
      const before = watch;
      watch = undefined;
      await before?.[Symbol.asyncDispose]();
      const opened = await store.watch?.([ownKey, ...keys.keys()], listener, { signal });
      if (closed) return await opened?.[Symbol.asyncDispose]();
      watch = opened;
    } catch (error) {
      failed(error, 'cannot watch; polling instead');
      openAt = nextBeatAt;
      return;
    }
    void writeBeat();
  };

  const beSilent = (): void => {
    beat = undefined;
    failures += 1;
    // What it still tells is welcome until it is opened anew.
    openAt = clock.now() + doubling(failures, FIRST_RETRY_MS, MOST_RETRY_MS);
    nextBeatAt = openAt;
    become('silent');
  };

  show();
  return {
    tick(waitingMs) {
      if (closed) return;
      const now = clock.now();
      unannounced.tick();
      if (opening) return;
      if (now >= openAt) {
        opening = open().finally(() => {
          opening = undefined;
        });
      } else if (beat?.writtenAt !== undefined && now - beat.writtenAt >= HEARD_MS) beSilent();
      else if (waitingMs !== undefined && watch && !beat && now >= nextBeatAt) {
        waitingForMs = waitingMs;
        void writeBeat();
      }
    },
    get dueAt() {
      const writtenAt = beat?.writtenAt;
      return Math.min(writtenAt === undefined ? Number.POSITIVE_INFINITY : writtenAt + HEARD_MS, unannounced.dueAt);
    },
    isTold: (peer) => isProven() && !unannounced.has(peer),
    found: unannounced.found,
    async [Symbol.asyncDispose]() {
      closed = true;
      await opening;
      await watch?.[Symbol.asyncDispose]();
      watch = undefined;
    },
  };
}
