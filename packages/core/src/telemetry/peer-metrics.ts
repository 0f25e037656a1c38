/** Metrics of peers, read from the snapshot at each scrape, so that a peer that left the configuration leaves no series. */
import type { PeerReading, Readings } from './readings.js';
import { codeLabel, type Metrics } from './registry.js';

const PHASES = ['waiting', 'connecting', 'connected', 'suspect', 'idle'];
const LABELS = ['device', 'peer'] as const;

export function addPeerMetrics({ gauge, counter }: Metrics): (readings: Readings) => void {
  const phase = gauge('stunmesh_peer_phase', '1 for the phase that the peer is in, 0 for the others.', [
    ...LABELS,
    'phase',
  ]);
  const path = gauge(
    'stunmesh_path',
    '1 for the kind of path that the peer is reached by; no series: it is not connected.',
    [...LABELS, 'class'],
  );
  const fault = gauge('stunmesh_peer_fault', 'What is wrong with a peer now; no series: nothing.', [...LABELS, 'code']);
  /** Values that may be missing, for which there is no series then. */
  const gauges = [
    [gauge('stunmesh_peer_present', 'Whether the WireGuard device has the peer.', LABELS), (p) => (p.present ? 1 : 0)],
    [
      gauge('stunmesh_peer_phase_age_seconds', 'How long the peer has been in its phase.', LABELS),
      (p) => p.phaseForMs / 1000,
    ],
    [
      gauge('stunmesh_peer_handshake_age_seconds', 'Since the latest handshake; no series: none yet.', LABELS),
      (p, now) => since(p.latestHandshakeAt, now),
    ],
    [
      gauge('stunmesh_peer_rtt_seconds', 'Round trip of the last answered ping; no series: none yet.', LABELS),
      (p) => (p.rttMs === undefined ? undefined : p.rttMs / 1000),
    ],
    [
      gauge(
        'stunmesh_peer_record_age_seconds',
        "Age of the peer's newest record; no series: none, or without time.",
        LABELS,
      ),
      (p, now) => since(p.record?.t === undefined ? undefined : p.record.t * 1000, now),
    ],
    [
      gauge('stunmesh_peer_published_age_seconds', 'Since our own record for the peer was written.', LABELS),
      (p, now) => since(p.published?.at, now),
    ],
  ] satisfies readonly [ReturnType<Metrics['gauge']>, (peer: PeerReading, now: number) => number | undefined][];
  const counters = [
    [counter('stunmesh_peer_receive_bytes_total', "WireGuard's count of bytes received.", LABELS), (p) => p.rxBytes],
    [counter('stunmesh_peer_transmit_bytes_total', "WireGuard's count of bytes sent.", LABELS), (p) => p.txBytes],
    [
      counter('stunmesh_peer_endpoint_writes_total', 'Endpoints written to WireGuard.', LABELS),
      (p) => p.endpointWrites,
    ],
    [
      counter('stunmesh_peer_renewals_total', 'Times the peer was renewed to shake hands at once.', LABELS),
      (p) => p.renewals,
    ],
    [counter('stunmesh_peer_record_reads_total', 'Times the record of the peer was read.', LABELS), (p) => p.reads],
    [counter('stunmesh_peer_probes_total', 'Times the tunnel was probed for life.', LABELS), (p) => p.probes],
  ] satisfies readonly [ReturnType<Metrics['counter']>, (peer: PeerReading) => number][];

  return ({ devices, wallNow }) => {
    for (const metric of [phase, path, fault, ...gauges.map(([g]) => g), ...counters.map(([c]) => c)]) metric.reset();
    for (const { name: device, peers } of devices)
      for (const reading of peers) {
        const labels = { device, peer: reading.name };
        for (const name of PHASES) phase.set({ ...labels, phase: name }, name === reading.phase ? 1 : 0);
        if (reading.path) path.set({ ...labels, class: reading.path.class }, 1);
        if (reading.lastError) fault.set({ ...labels, code: codeLabel(reading.lastError.code) }, 1);
        for (const [metric, read] of gauges) {
          const value = read(reading, wallNow);
          if (value !== undefined) metric.set(labels, value);
        }
        for (const [metric, read] of counters) metric.inc(labels, read(reading));
      }
  };
}

/** Seconds; a clock that was set back makes nothing younger than new. */
function since(at: number | undefined, now: number): number | undefined {
  return at === undefined ? undefined : Math.max(0, now - at) / 1000;
}
