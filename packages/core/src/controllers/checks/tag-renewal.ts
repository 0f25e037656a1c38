/** Keeps the tags of all peers at the present slot: those of a crowd take many turns of the event loop, and each has a part of them made. */
import type { CheckReceiver } from '../../paths/check-receiver.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { startTurn } from '../../runtime/slices.js';
import type { DeviceComponents } from '../device-components.js';
import type { CheckSockets } from './check-sockets.js';

/** While tags are being made, those that are known are handed to the sockets so often. */
const TELL_MS = 1_000;

export interface TagRenewalComponents extends Pick<DeviceComponents, 'clock' | 'signal'> {
  /** `seconds` since 1970 as peers' clocks should show them. */
  times(): { readonly seconds: number };
  peers(): { readonly receiver: Pick<CheckReceiver<PeerEntry>, 'advance' | 'isBehind' | 'prefixes'> };
  sockets(): Pick<CheckSockets, 'pass'>;
}

/** Brings the tags to the present slot, or begins to. `fewer`: some are known no more. */
export function createTagRenewal(components: TagRenewalComponents): (fewer?: boolean) => void {
  const { clock, signal, times, peers, sockets } = components;
  let continuing = false;
  let untold = false;
  let toldAt = Number.NEGATIVE_INFINITY;

  const tell = (): void => {
    untold = false;
    toldAt = clock.now();
    sockets().pass(peers().receiver.prefixes());
  };

  /** `continued`: a request that came meanwhile may have had the last of them made, and nobody told of those. */
  const advance = (continued = false): void => {
    const { receiver } = peers();
    const changed = receiver.advance(times().seconds, startTurn(clock));
    untold ||= changed || continued;
    if (untold && (!receiver.isBehind || clock.now() - toldAt >= TELL_MS)) tell();
    if (!receiver.isBehind) return;
    continuing = true;
    const next = (): void => {
      continuing = false;
      advance(true);
    };
    void clock.sleep(0, signal).then(next, () => undefined);
  };

  return (fewer = false) => {
    if (fewer) tell();
    if (!continuing) advance();
  };
}
