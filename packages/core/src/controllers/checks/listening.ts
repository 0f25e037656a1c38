/** When the socket for checks is open: each UDP packet that this host receives costs a little while it is (`check_listen`). */
import { isUnsettled } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';

const MINUTE_MS = 60_000;
/** In these first milliseconds of each minute connected pairs look for better paths. */
const BEAT_MS = 4_000;
/** So many packets a second are much traffic, by what WireGuard received, with so many bytes in a packet. */
const MUCH = 50_000;
const BYTES_A_PACKET = 1_000;
/** Between two countings. */
const LEAST_MS = 1_000;

export interface Listening {
  /** Whether it should be open now; called at every poll tick. */
  wanted(): boolean;
  /** When that may be another answer though nothing happens; monotonic milliseconds. */
  readonly nextAt: number;
}

export function createListening({ device, clock }: Pick<DeviceComponents, 'device' | 'clock'>): Listening {
  let counted = { bytes: 0, at: Number.NEGATIVE_INFINITY };
  let isMuch = false;

  const count = (): void => {
    const now = clock.now();
    const passedMs = now - counted.at;
    if (passedMs < LEAST_MS) return;
    const bytes = device.peers.reduce((sum, { observed }) => sum + (observed?.rxBytes ?? 0), 0);
    const packets = Math.max(0, bytes - counted.bytes) / BYTES_A_PACKET;
    isMuch = (packets * 1_000) / passedMs >= MUCH;
    counted = { bytes, at: now };
  };

  return {
    wanted() {
      const { checkListen } = device.config;
      // Nobody could ask.
      if (device.peers.length === 0) return false;
      if (checkListen === 'auto') count();
      if (checkListen === 'always' || device.peers.some(isUnsettled)) return true;
      return checkListen === 'auto' && (!isMuch || clock.wallNow() % MINUTE_MS < BEAT_MS);
    },
    get nextAt() {
      if (device.config.checkListen !== 'auto' || !isMuch) return Number.POSITIVE_INFINITY;
      const past = clock.wallNow() % MINUTE_MS;
      return clock.now() + (past < BEAT_MS ? BEAT_MS : MINUTE_MS) - past;
    },
  };
}
