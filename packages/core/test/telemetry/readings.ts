/** Readings of a daemon for tests of metrics: one device, one peer, all that a snapshot can hold. */
import type { DeviceReading, PeerReading, Readings } from '#src/telemetry/readings.js';

export const WALL = Date.UTC(2027, 0, 1);

export function peerReading(change: Partial<PeerReading> = {}): PeerReading {
  return {
    name: 'site-b',
    phase: 'connected',
    phaseForMs: 90_000,
    present: true,
    latestHandshakeAt: WALL - 30_000,
    rxBytes: 1_000,
    txBytes: 2_000,
    rttMs: 12.5,
    record: { t: WALL / 1000 - 60 },
    published: { at: WALL - 120_000 },
    endpointWrites: 3,
    renewals: 1,
    reads: 7,
    probes: 2,
    ...change,
  };
}

export function deviceReading(change: Partial<DeviceReading> = {}): DeviceReading {
  return {
    name: 'wg0',
    state: 'up',
    reflexive: { ipv4: '203.0.113.9:40000' },
    discoveries: 4,
    errors: [],
    peers: [peerReading()],
    ...change,
  };
}

export function readings(change: Partial<Readings> = {}): Readings {
  return {
    wallNow: WALL,
    configured: ['wg0'],
    devices: [deviceReading()],
    stores: [{ name: 'main', gets: 9, sets: 5, failures: 1, state: 'up' }],
    ...change,
  };
}
