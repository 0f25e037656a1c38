/** A device whose router is a double, and its port mapping under a fake clock. */

import type { PortmapProtocol } from '#src/config/index.js';
import { createPortMapping, type PortMapping } from '#src/controllers/port-mapping/port-mapping.js';
import { parseEndpoint } from '#src/net/index.js';
import { localCandidate, withCandidate } from '#src/paths/candidate.js';
import { createDeviceEntry, type DeviceEntry } from '#src/peers/peer-table.js';
import {
  createFakeClock,
  createMemoryLogger,
  type FakeClock,
  fakePublicKey,
  type MemoryLogger,
  settle,
} from '#src/testing/index.js';
import type { Underlay } from '#src/underlay/underlay.js';
import { createFakeRouter, type FakeRouter } from '../../portmap/fake-router.js';
import { createFarSide, keyPair } from '../far-side.js';
import { interfaceConfig } from '../surroundings.js';

export const REFLEXIVE = '203.0.113.9:40000';

export interface Stage {
  readonly clock: FakeClock;
  readonly fake: FakeRouter;
  readonly device: DeviceEntry;
  readonly logger: MemoryLogger;
  readonly portMapping: PortMapping;
  /** How often our record had to be written anew. */
  readonly changes: () => number;
  /** The mapped endpoint that is told; undefined: none. */
  mapped(): { readonly address: string; readonly port: number } | undefined;
  reflexive(text: string, natted?: boolean): void;
  configure(portMapping: readonly PortmapProtocol[]): void;
  /** Discoveries and beats for so long. */
  live(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export function createStage(
  speaks: readonly PortmapProtocol[],
  wanted: readonly PortmapProtocol[] = ['pcp', 'nat-pmp', 'upnp'],
): Stage {
  const clock = createFakeClock();
  const fake = createFakeRouter(clock, speaks);
  const logger = createMemoryLogger();
  const stopping = new AbortController();
  const far = createFarSide({
    name: 'peer-0',
    keys: keyPair('peer 0'),
    own: () => keyPair('own'),
    storeOf: () => {
      throw new Error('no store');
    },
  });
  const config = { ...interfaceConfig({}, [far], ['main']), portMapping: wanted };
  const device = createDeviceEntry(config, clock.now());
  device.facts = {
    name: 'wg0',
    realName: 'wg0',
    publicKey: fakePublicKey('own'),
    secretKey: keyPair('own').secretKey,
    listenPort: 51_820,
    firewallMark: 0,
    peers: new Map(),
  };
  const underlay = {
    ...fake,
    routeTo: async (to: string) => ({
      interface: 'eth0',
      source: '192.168.1.2',
      ...(to === fake.address ? {} : { gateway: fake.address }),
    }),
  } as unknown as Underlay;
  let changes = 0;
  const portMapping = createPortMapping({
    device,
    clock,
    logger,
    underlay,
    serverAddress: () => '198.51.100.1',
    emit: () => undefined,
    signal: stopping.signal,
    stateChanged: () => undefined,
    onChange: () => {
      changes += 1;
    },
  });
  const reflexive = (text: string, natted = true): void => {
    const endpoint = parseEndpoint(text);
    if (!endpoint) throw new Error(text);
    device.candidates = withCandidate(device.candidates, {
      type: 'reflexive',
      endpoint,
      foundBy: 'stun',
      at: 0,
      natted,
    });
  };
  reflexive(REFLEXIVE);
  return {
    clock,
    fake,
    device,
    logger,
    portMapping,
    changes: () => changes,
    mapped: () => localCandidate(device.candidates, 'mapped', 4)?.endpoint,
    reflexive,
    configure(portMapping) {
      device.config = { ...device.config, portMapping };
    },
    async live(ms) {
      for (const end = clock.now() + ms; clock.now() < end; ) {
        const next = Math.max(clock.now() + 50, Math.min(end, portMapping.dueAt, clock.now() + 10_000));
        await clock.advance(next - clock.now());
        portMapping.tick();
      }
      await clock.advance(0);
    },
    async stop() {
      stopping.abort(new Error('stopped'));
      const stopped = portMapping.stop();
      await clock.advance(1_000);
      await stopped;
    },
  };
}

/** Ends once it has, letting time pass meanwhile; says how long that took, milliseconds. */
export async function passing(clock: FakeClock, work: Promise<void>): Promise<number> {
  const began = clock.now();
  let done = false;
  void work.then(() => {
    done = true;
  });
  await settle();
  for (let i = 0; i < 1_000 && !done; i += 1) await clock.advance(10);
  return clock.now() - began;
}
