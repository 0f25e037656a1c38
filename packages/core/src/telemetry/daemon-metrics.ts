/** The daemon's metrics: what the snapshot shows, read at each scrape, and what only its events and calls tell. Loads prom-client. */
import type { Registry } from 'prom-client';
import type { Page } from './http-pages.js';
import { addPeerMetrics } from './peer-metrics.js';
import type { DiscoveryOutcome, EventReading, Readings, StoreCall } from './readings.js';
import { codeLabel, createMetrics, type Metrics } from './registry.js';

export interface DaemonMetrics {
  readonly registry: Registry;
  page(): Promise<Page>;
  event(event: EventReading): void;
  storeCall(store: string, call: StoreCall): void;
  discovery(device: string, family: 4 | 6, outcome: DiscoveryOutcome): void;
}

/** `readings` is called at each scrape. */
export function createDaemonMetrics(readings: () => Readings, startedAtMs: number): DaemonMetrics {
  const metrics = createMetrics(startedAtMs);
  const readers = [addDeviceMetrics(metrics), addPeerMetrics(metrics), addStoreMetrics(metrics)];
  const read = () => {
    const now = readings();
    for (const reader of readers) reader(now);
  };
  return { registry: metrics.registry, page: () => metrics.page(read), ...addObservations(metrics) };
}

type Reader = (readings: Readings) => void;

function addDeviceMetrics({ gauge, counter }: Metrics): Reader {
  const up = gauge('stunmesh_device_up', 'Whether the configured WireGuard device is taken up and there.', ['device']);
  const reflexive = gauge(
    'stunmesh_device_reflexive_known',
    'Whether the public address of this family is known; no series: it failed or is not asked for.',
    ['device', 'family'],
  );
  const faults = gauge('stunmesh_device_fault', 'What is wrong with a device now; no series: nothing.', [
    'device',
    'of',
    'code',
  ]);
  const mapped = gauge('stunmesh_portmap_up', 'Ports that a router maps to WireGuard; no series: it is not asked.', [
    'device',
    'protocol',
  ]);
  const discoveries = counter('stunmesh_device_discoveries_total', 'Rounds of STUN discovery.', ['device']);
  const checks = counter(
    'stunmesh_checks_total',
    'Connectivity checks: ours (out: sent, of these answered), and of peers (in: received, of these answered or refused).',
    ['device', 'direction', 'result'],
  );
  const searched = counter('stunmesh_search_probes_total', 'Packets sent to find a way through a hard NAT.', [
    'device',
  ]);
  return ({ configured, devices }) => {
    for (const metric of [up, reflexive, faults, mapped, discoveries, checks, searched]) metric.reset();
    for (const device of configured) up.set({ device }, 0);
    for (const reading of devices) {
      const {
        name: device,
        state,
        reflexive: known,
        errors,
        portMapping,
        discoveries: count,
        checks: counts,
      } = reading;
      up.set({ device }, state === 'up' ? 1 : 0);
      for (const family of ['ipv4', 'ipv6'] as const) if (known[family]) reflexive.set({ device, family }, 1);
      for (const { of, code } of errors) faults.set({ device, of, code: codeLabel(code) }, 1);
      for (const protocol of portMapping ? ['pcp', 'nat-pmp', 'upnp'] : []) {
        const { length } = portMapping?.mappings.filter((mapping) => mapping.protocol === protocol) ?? [];
        mapped.set({ device, protocol }, length);
      }
      discoveries.inc({ device }, count);
      if (!counts) continue;
      const { sent, valid, received, answered, refused } = counts;
      searched.inc({ device }, counts.searched);
      checks.inc({ device, direction: 'out', result: 'sent' }, sent);
      checks.inc({ device, direction: 'out', result: 'answered' }, valid);
      checks.inc({ device, direction: 'in', result: 'received' }, received);
      checks.inc({ device, direction: 'in', result: 'answered' }, answered);
      checks.inc({ device, direction: 'in', result: 'refused' }, refused);
    }
  };
}

function addStoreMetrics({ gauge, counter }: Metrics): Reader {
  const up = gauge('stunmesh_store_up', '0 while the store is left alone because it failed several times in a row.', [
    'store',
  ]);
  const read = counter('stunmesh_store_keys_read_total', 'Records asked for, found or not.', ['store']);
  const written = counter('stunmesh_store_keys_written_total', 'Records written, accepted or not.', ['store']);
  const failed = counter('stunmesh_store_keys_failed_total', 'Records whose call failed.', ['store']);
  return ({ stores }) => {
    for (const metric of [up, read, written, failed]) metric.reset();
    for (const { name: store, gets, sets, failures, state } of stores) {
      up.set({ store }, state === 'up' ? 1 : 0);
      read.inc({ store }, gets);
      written.inc({ store }, sets);
      failed.inc({ store }, failures);
    }
  };
}

function addObservations({ counter, histogram }: Metrics): Pick<DaemonMetrics, 'event' | 'storeCall' | 'discovery'> {
  const stun = histogram('stunmesh_stun_rtt_seconds', 'Time from the first request to the answer that was taken.', [
    'device',
    'family',
    'server',
  ]);
  const stunFailures = counter('stunmesh_stun_failures_total', 'Discoveries that found no public address.', [
    'device',
    'family',
    'code',
  ]);
  const calls = histogram('stunmesh_store_call_duration_seconds', 'Calls to a store, failed ones too.', [
    'store',
    'operation',
  ]);
  const callFailures = counter('stunmesh_store_call_failures_total', 'Calls to a store that failed.', [
    'store',
    'operation',
    'code',
  ]);
  const faults = counter('stunmesh_faults_total', 'Things that began to go wrong; repetitions are not counted.', [
    'device',
    'code',
  ]);
  const phases = counter('stunmesh_peer_phase_changes_total', 'Changes into a phase.', ['device', 'peer', 'phase']);
  const connects = histogram('stunmesh_peer_connect_duration_seconds', 'From unconnected to connected.', ['device']);
  const switches = counter('stunmesh_path_switches_total', 'Live tunnels that were moved to a better path.', [
    'device',
    'peer',
  ]);
  const networks = counter('stunmesh_network_changes_total', 'Network events that led to a new discovery.', ['device']);
  return {
    event({ event, device, peer, ...data }) {
      if (event === 'fault') faults.inc({ device, code: codeLabel(String(data['code'])) });
      else if (event === 'path' && peer !== undefined) switches.inc({ device, peer });
      else if (event === 'network') networks.inc({ device });
      else if (event === 'phase' && peer !== undefined) {
        phases.inc({ device, peer, phase: String(data['to']) });
        if (typeof data['tookMs'] === 'number') connects.observe({ device }, data['tookMs'] / 1000);
      }
    },
    storeCall(store, { operation, ms, code }) {
      calls.observe({ store, operation }, ms / 1000);
      if (code !== undefined) callFailures.inc({ store, operation, code: codeLabel(code) });
    },
    discovery(device, number, outcome) {
      const family = `ipv${number}`;
      if ('code' in outcome) stunFailures.inc({ device, family, code: codeLabel(outcome.code) });
      else stun.observe({ device, family, server: outcome.server }, outcome.rttMs / 1000);
    },
  };
}
