/** When our mapping is looked at, outside the refresh: soon after a failure, slower and slower for a dead peer, seldom while all is well. */
import { isUnsettled } from '../../peers/peer-table.js';
import { doubling } from '../../runtime/backoff.js';
import type { DeviceComponents } from '../device-components.js';

const FIRST_RETRY_MS = 2_000;
const MOST_GAP_MS = 30_000;
const RETRY_GAP_MS = 2_000;
const RETRY_STEP_MS = 5_000;

export interface DiscoverySchedule {
  /** When the next discovery is due; monotonic milliseconds. */
  readonly dueAt: number;
  /** A discovery begins. False: another one began within the last two seconds, which peers that fail together share (F15). */
  readonly rested: boolean;
  began(): void;
  /** A discovery ended; `found`: with at least one address. */
  ended(found: boolean): void;
  /** A peer failed, or the network changed: looks come quickly again. */
  restart(): void;
  /** The configured interval counts from now on. */
  retimed(): void;
}

export type DiscoveryScheduleComponents = Pick<DeviceComponents, 'device' | 'clock' | 'settings'>;

export function createDiscoverySchedule({ device, clock, settings }: DiscoveryScheduleComponents): DiscoverySchedule {
  let beganAt = Number.NEGATIVE_INFINITY;
  let dueAt = Number.POSITIVE_INFINITY;
  let failures = 0;
  /** Discoveries in the present series, while a peer is unsettled. */
  let step = 0;
  const checkMs = () => settings().mappingCheckMs || Number.POSITIVE_INFINITY;

  /** With all well once in a while, for NATs forget and nobody tells. */
  const nextGap = (): number => {
    if (failures > 0) return doubling(failures, FIRST_RETRY_MS, MOST_GAP_MS);
    if (!device.peers.some((peer) => isUnsettled(peer) && peer.phase !== 'waiting')) return checkMs();
    const { fixedRetries } = settings().pingMonitor;
    const gap = step < fixedRetries ? RETRY_GAP_MS : RETRY_STEP_MS * (step - fixedRetries + 1);
    step += 1;
    return Math.min(gap, MOST_GAP_MS, Math.max(checkMs(), RETRY_GAP_MS), settings().refreshIntervalMs);
  };

  return {
    get dueAt() {
      return dueAt;
    },
    get rested() {
      return clock.now() - beganAt >= RETRY_GAP_MS;
    },
    began() {
      beganAt = clock.now();
    },
    ended(found) {
      failures = found ? 0 : failures + 1;
      dueAt = clock.now() + nextGap();
    },
    restart() {
      step = 0;
    },
    retimed() {
      // Where a peer is unsettled the next discovery is near, and finds the new interval.
      if (!device.peers.some(isUnsettled)) dueAt = clock.now() + checkMs();
    },
  };
}
