/** Discovers our reflexive addresses and leaves a sealed record for every peer, where something changed (F11 to F15). */
import { type Family, isStunmeshError, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { createFault, type DeviceEntry, isUnsettled, type Mapping, type PeerEntry } from '../../peers/peer-table.js';
import { type EndpointRecord, fingerprint, formatRecord } from '../../record/endpoint-record.js';
import { nextTime } from '../../record/freshness.js';
import { storeKey } from '../../record/store-key.js';
import { type Coalesced, createCoalesced } from '../../runtime/coalesce.js';
import type { Controllers, NamedStore } from '../device-components.js';
import { natCode } from '../refresh/nat-schedule.js';
import { hearWitnesses } from './disagreement.js';
import { findOwnRecord, ownGeneration } from './own-record.js';
import { dueAt } from './publish-due.js';

const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
const MOST_DISCOVERY_GAP_MS = 30_000;
const RETRY_GAP_MS = 2_000;
const RETRY_STEP_MS = 5_000;

export interface Publish {
  /** A new discovery, then records where they changed. Never rejects. */
  refresh(device: DeviceEntry): Promise<void>;
  /** The same, unless a discovery began within the last two seconds: peers that fail together share one (F15). */
  look(device: DeviceEntry): Promise<void>;
  /** Writes what is due (changed, failed before, or old) from the mappings at hand. Never rejects. */
  flush(device: DeviceEntry): Promise<void>;
  /** When flush has work next; monotonic milliseconds. */
  nextFlushAt(device: DeviceEntry): number;
  stop(): Promise<void>;
}

export interface PublishEvents {
  /** Our mapping changed: called, and awaited, before the new one is published (F18c). */
  mappingChanged(device: DeviceEntry): Promise<void>;
  /** A discovery found what it could; its way to the server is the one that the mappings were found by. */
  discovered(device: DeviceEntry): Promise<void>;
  /** State that outlives the process changed (t, n). */
  stateChanged(device: DeviceEntry): void;
}

export function createPublish(c: Controllers, on: PublishEvents): Publish {
  const discoveries = new Map<DeviceEntry, Coalesced>();
  const flushes = new Map<string, Coalesced>();
  const failures = new Map<DeviceEntry, number>();
  const flush = async (device: DeviceEntry): Promise<void> => {
    const names = new Set(device.peers.flatMap((peer) => peer.config.plugins));
    // Each store has a job of its own, so that a hung one keeps no other waiting (F13).
    await Promise.all(
      [...names].map((name) => {
        const key = `${device.name}\n${name}`;
        const job = flushes.get(key) ?? createCoalesced(() => flushStore(c, on, device, name), logInternal(c, device));
        flushes.set(key, job);
        return job.trigger();
      }),
    );
  };

  const discover = async (device: DeviceEntry): Promise<void> => {
    device.discovering = true;
    device.discoveredAt = c.clock.now();
    const changed = await discoverAll(c, device, () => void trigger(device)).finally(() => {
      device.discovering = false;
    });
    await on.discovered(device);
    const failed = device.mappings.size === 0 ? (failures.get(device) ?? 0) + 1 : 0;
    failures.set(device, failed);
    device.nextDiscoveryAt = c.clock.now() + nextDiscoveryGap(c, device, failed);
    if (changed) {
      device.n += 1;
      wakeStores(c, device);
      on.stateChanged(device);
      await on.mappingChanged(device);
    }
  };

  const trigger: Publish['refresh'] = async (device) => {
    const job = discoveries.get(device) ?? createCoalesced(() => discover(device), logInternal(c, device));
    discoveries.set(device, job);
    await job.trigger();
    // No part of that job: the next discovery does not wait for a store that hangs.
    await flush(device);
  };

  return {
    refresh: trigger,
    async look(device) {
      if (c.clock.now() - device.discoveredAt >= RETRY_GAP_MS) await trigger(device);
    },
    flush,
    nextFlushAt: (device) =>
      Math.min(...device.peers.flatMap((peer) => peer.config.plugins.map((name) => dueAt(c, device, peer, name)))),
    async stop() {
      await Promise.all([...discoveries.values(), ...flushes.values()].map((j) => j.stop()));
    },
  };
}

/** What kept a store away may be over: those that are down are asked at once. */
export function wakeStores(c: Controllers, device: DeviceEntry): void {
  const names = new Set(device.peers.flatMap((peer) => peer.config.plugins));
  for (const name of names) c.stores.get(name)?.wake?.();
}

/** A failed discovery is tried again soon; with a dead peer our mapping is looked at two seconds apart at first, then ever slower;
 * with all well once in a while, for NATs forget and nobody tells. */
function nextDiscoveryGap(c: Controllers, device: DeviceEntry, failed: number): number {
  const check = c.settings().mappingCheckMs || Number.POSITIVE_INFINITY;
  if (failed > 0) return Math.min(FIRST_RETRY_MS * 2 ** failed, MOST_DISCOVERY_GAP_MS);
  if (!device.peers.some((peer) => isUnsettled(peer) && peer.phase !== 'waiting')) return check;
  const step = device.retryStep;
  device.retryStep += 1;
  const gap =
    step < c.settings().pingMonitor.fixedRetries
      ? RETRY_GAP_MS
      : RETRY_STEP_MS * (step - c.settings().pingMonitor.fixedRetries + 1);
  return Math.min(gap, MOST_DISCOVERY_GAP_MS, Math.max(check, RETRY_GAP_MS), c.settings().refreshIntervalMs);
}

function logInternal(c: Controllers, device: DeviceEntry): (error: unknown) => void {
  return (error) => {
    if (!c.signal.aborted) c.logger.error({ device: device.name, error }, 'publishing failed');
  };
}

/** True when a mapping is another than before. A family that fails keeps its fault and is left out. */
async function discoverAll(c: Controllers, device: DeviceEntry, outvoted: () => void): Promise<boolean> {
  if (!device.facts) return false;
  device.discoveries += 1;
  const families: readonly Family[] = { ipv4: [4] as const, ipv6: [6] as const, dualstack: [4, 6] as const }[
    device.config.protocol
  ];
  const changes = await Promise.all(families.map((family) => discoverFamily(c, device, family, outvoted)));
  return changes.includes(true);
}

async function discoverFamily(
  c: Controllers,
  device: DeviceEntry,
  family: Family,
  outvoted: () => void,
): Promise<boolean> {
  const before = device.mappings.get(family);
  try {
    const found = await c.discover(device, family, c.signal);
    if (found.witnesses) void found.witnesses.then((verdict) => hearWitnesses(c, device, family, verdict, outvoted));
    const mapping: Mapping = {
      endpoint: found.endpoint,
      server: found.server,
      rttMs: found.rttMs,
      natted: found.natted,
      at: c.clock.now(),
    };
    device.mappings.set(family, mapping);
    device.faults.delete(family);
    if (before && sameEndpoint(before.endpoint, found.endpoint)) return false;
    const text = formatEndpoint(found.endpoint);
    c.logger.info(
      { device: device.name, endpoint: text, server: found.server, rttMs: Math.round(found.rttMs), nat: found.natted },
      'reflexive address',
    );
    if (!found.natted && !sameEndpoint(found.mapped, found.endpoint)) {
      c.logger.info(
        { device: device.name, endpoint: text, probe: formatEndpoint(found.mapped) },
        "no NAT in front: this host's own masquerade rewrites the probe, not WireGuard",
      );
    }
    c.emit('reflexive', device, undefined, { family: `ipv${family}`, endpoint: text, server: found.server });
    return true;
  } catch (error) {
    if (c.signal.aborted) return false;
    const fault = isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error });
    const known = device.faults.get(family)?.code === fault.code;
    device.faults.set(family, createFault(fault, c.clock.wallNow()));
    device.mappings.delete(family);
    device.disagreements.delete(family);
    c.logger[known ? 'debug' : 'warn'](
      { device: device.name, family: `ipv${family}`, error: fault },
      'no reflexive address',
    );
    if (!known)
      c.emit('fault', device, undefined, { family: `ipv${family}`, code: fault.code, message: fault.message });
    return before !== undefined;
  }
}

async function flushStore(c: Controllers, on: PublishEvents, device: DeviceEntry, name: string): Promise<void> {
  // Looked up each time: a reload may have put another store under the name.
  const store = c.stores.get(name);
  if (!store || !device.facts || device.mappings.size === 0) return;
  const peers = device.peers.filter((peer) => peer.config.plugins.includes(store.name) && peer.channel && peer.wg);
  const unknown = peers.filter((peer) => !peer.published.has(store.name));
  await Promise.all(unknown.map((peer) => findOwnRecord(c, device, peer, store)));
  const due = peers.filter((peer) => dueAt(c, device, peer, store.name) <= c.clock.now());
  if (due.length === 0) return;
  const now = c.clock.wallNow() / 1000;
  const t = nextTime(now, device.lastT);
  device.lastT = t;
  await Promise.all(
    due.map((peer) => {
      peer.ownTime = nextTime(now, t - 1, peer.ownTime);
      return write(c, device, peer, store, peer.ownTime);
    }),
  );
  on.stateChanged(device);
}

async function write(
  c: Controllers,
  device: DeviceEntry,
  peer: PeerEntry,
  store: NamedStore,
  t: number,
): Promise<void> {
  const { facts } = device;
  if (!facts || !peer.channel) return;
  peer.publishing.add(store.name);
  peer.budget.take('publish', c.clock.now());
  const ipv4 = device.mappings.get(4)?.endpoint;
  const ipv6 = device.mappings.get(6)?.endpoint;
  const b = natCode(device);
  const record: EndpointRecord = {
    ...(ipv4 ? { ipv4 } : {}),
    ...(ipv6 ? { ipv6 } : {}),
    t,
    n: ownGeneration(device, peer),
    f: fingerprint(facts.publicKey),
    ...(b === undefined ? {} : { b }),
  };
  try {
    const { plain, omitted } = formatRecord(record, store.traits.maxValueBytes);
    await store.set(storeKey(facts.publicKey, peer.publicKey), peer.channel.seal(plain), { signal: c.signal });
    // A reload put another store under the name meanwhile: that one has not got it.
    if (c.stores.get(store.name) !== store) return;
    peer.published.set(store.name, {
      ...(ipv4 ? { ipv4 } : {}),
      ...(ipv6 ? { ipv6 } : {}),
      t,
      ...(b === undefined ? {} : { b }),
      omitted,
      at: c.clock.now(),
      wallAt: c.clock.wallNow(),
    });
    peer.publishRetry.delete(store.name);
    c.emit('published', device, peer, {
      store: store.name,
      t,
      ...(ipv4 ? { ipv4: formatEndpoint(ipv4) } : {}),
      ...(ipv6 ? { ipv6: formatEndpoint(ipv6) } : {}),
    });
  } catch (error) {
    if (c.signal.aborted) return;
    const fault = isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error });
    // A write that was not even tried, as the store is down, is no reason to wait longer than the store does.
    const untried = fault.details['circuit'] === 'open';
    const failures = (peer.publishRetry.get(store.name)?.failures ?? 0) + (untried ? 0 : 1);
    const backoffMs = untried ? 0 : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MOST_RETRY_MS);
    const waitMs = Math.max(fault.retryAfterMs ?? 0, backoffMs);
    peer.publishRetry.set(store.name, { at: c.clock.now() + waitMs, failures, untried });
    peer.fault = createFault(fault, c.clock.wallNow(), store.name);
    c.logger[failures === 1 && !untried ? 'warn' : 'debug'](
      { device: device.name, peer: peer.name, error: fault },
      `cannot publish to store "${store.name}"; trying again`,
    );
    if (failures === 1 && !untried) c.emit('fault', device, peer, { code: fault.code, message: fault.message });
  } finally {
    peer.publishing.delete(store.name);
  }
}
