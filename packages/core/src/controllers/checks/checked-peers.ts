/** The peers of a device that can be checked: their state machines, their keys, and the tags by which their requests are known. */
import type { Endpoint, Family } from '../../api/index.js';
import { PeerCheckBudget } from '../../paths/check-budget.js';
import { CheckCodec } from '../../paths/check-codec.js';
import { CheckReceiver } from '../../paths/check-receiver.js';
import { PeerChecks } from '../../paths/peer-checks.js';
import type { RefusedCandidate } from '../../paths/remote-candidates.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { ParsedRecord } from '../../record/endpoint-record.js';
import type { PairKeys } from '../../record/pair-keys.js';
import type { DeviceComponents } from '../device-components.js';

export interface CheckedPeer {
  readonly peer: PeerEntry;
  readonly checks: PeerChecks;
  readonly codec: CheckCodec;
  readonly keys: PairKeys;
  /** When next() is due though nothing happens; monotonic milliseconds. */
  wakeAt: number;
  /** The endpoint that its attempts use, while it is unsettled. */
  use: Endpoint | undefined;
  /** The record that its state machine has, and `t` of ours that a store has taken. */
  record: ParsedRecord | undefined;
  ownTime: number | undefined;
  /** Addresses of that record that are not tried, and why. */
  refused: readonly RefusedCandidate[];
}

export interface CheckedPeersComponents extends Pick<DeviceComponents, 'device' | 'checkBudget'> {
  createId(family: Family, peer: PeerEntry): Uint8Array;
  isLan(endpoint: Endpoint): boolean;
  preferred(peer: PeerEntry): Family;
  lowTtl(family: Family): number;
  /** The configuration names this peer no more. */
  left(peer: PeerEntry): void;
}

export class CheckedPeers implements Iterable<CheckedPeer> {
  readonly #components: CheckedPeersComponents;
  readonly #peers = new Map<PeerEntry, CheckedPeer>();
  readonly receiver: CheckReceiver<PeerEntry>;

  constructor(components: CheckedPeersComponents) {
    this.#components = components;
    this.receiver = new CheckReceiver(components.checkBudget);
  }

  get(peer: PeerEntry): CheckedPeer | undefined {
    return this.#peers.get(peer);
  }

  [Symbol.iterator](): Iterator<CheckedPeer> {
    return this.#peers.values();
  }

  /** Takes up who came, whose tags the receiver makes, and drops who went. True: somebody went, so that fewer tags are known. */
  follow(): boolean {
    const { device, left } = this.#components;
    const present = new Set(
      device.facts && !device.down ? device.peers.filter((peer) => peer.keys && peer.observed) : [],
    );
    const gone = [...this.#peers].filter(([peer, { keys }]) => !present.has(peer) || peer.keys !== keys);
    const configured = new Set(gone.length > 0 ? device.peers : []);
    for (const [peer] of gone) {
      this.#peers.delete(peer);
      this.receiver.remove(peer);
      peer.checks = undefined;
      if (!configured.has(peer)) left(peer);
    }
    for (const peer of present) if (!this.#peers.has(peer)) this.#add(peer);
    return gone.length > 0;
  }

  #add(peer: PeerEntry): void {
    const { device, checkBudget, createId, isLan, preferred, lowTtl } = this.#components;
    const { keys } = peer;
    if (!keys) return;
    const checks = new PeerChecks({
      smaller: keys.smaller,
      get seed() {
        return keys.searchSeed;
      },
      // A reload may change both.
      get preferred() {
        return preferred(peer);
      },
      get upgrade() {
        return device.config.upgrade;
      },
      budget: new PeerCheckBudget(checkBudget),
      createId: (family) => createId(family, peer),
      isLan,
      lowTtl,
    });
    this.receiver.add(peer, keys);
    const one: CheckedPeer = {
      peer,
      checks,
      codec: new CheckCodec(keys),
      keys,
      wakeAt: Number.POSITIVE_INFINITY,
      use: undefined,
      record: undefined,
      ownTime: undefined,
      refused: [],
    };
    this.#peers.set(peer, one);
    peer.checks = {
      get knowsChecks() {
        return checks.knowsChecks;
      },
      paths: (now) => checks.paths(now),
      get refused() {
        return one.refused;
      },
    };
  }
}
