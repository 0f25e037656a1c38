/** Where the published cases for capture modules run: a link to the far side, and WireGuard's stand-in that owns the port. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { CaptureModule } from '@stunmesh/core/api';
import { type ConformanceCase, captureCases } from '@stunmesh/core/conformance';
import { type FarSide, openFarSide, run } from './namespace.js';

const PORT = 51820;
const FAR_PORT = 3478;
const LOCAL = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const FAR = { 4: '192.0.2.2', 6: '2001:db8::2' } as const;
/** A safety net, for a machine under load. */
const PATIENCE_MS = 30_000;

export interface ConformanceLab {
  /** To be awaited before the first case runs; the cases may be asked for earlier. */
  open(): Promise<void>;
  casesOf(module: CaptureModule, family: 4 | 6): readonly ConformanceCase[];
  close(): Promise<void>;
}

export function createConformanceLab(): ConformanceLab {
  let farSide: FarSide | undefined;
  const owners = new Map<number, Socket>();
  let made = 0;

  const theFarSide = (): FarSide => {
    if (!farSide) throw new Error('the far side is not there');
    return farSide;
  };

  return {
    async open() {
      farSide = await openFarSide();
      const link = { name: 'wan', near: [`${LOCAL[4]}/24`, `${LOCAL[6]}/64`], far: [`${FAR[4]}/24`, `${FAR[6]}/64`] };
      await farSide.connect(link, FAR_PORT);
      for (const port of [PORT, PORT + 1]) {
        // Of both families.
        const owner = createSocket('udp6');
        owner.bind(port);
        await once(owner, 'listening');
        owners.set(port, owner);
      }
    },
    casesOf: (module, family) =>
      captureCases({
        module,
        family,
        localPort: PORT,
        localAddress: LOCAL[family],
        interface: 'wan',
        far: { family, address: FAR[family], port: FAR_PORT },
        unreachable: family === 4 ? '203.0.113.9' : '2001:db8:9::9',
        received: () => theFarSide().received(),
        async sendFromFar(message, toPort) {
          const owner = owners.get(toPort);
          const here = owner && once(owner, 'message');
          await theFarSide().send(FAR[family], message, { family, address: LOCAL[family], port: toPort });
          await here;
        },
        async changeNetwork() {
          made += 1;
          run(`ip address add 198.51.100.${made}/32 dev lo`);
        },
        async vanishingDevice() {
          made += 1;
          const name = `gone${made}`;
          run(`ip link add ${name} type veth peer name ${name}x`);
          run(`ip link set ${name} up`);
          return { name, vanish: async () => void run(`ip link delete ${name}`) };
        },
        patienceMs: PATIENCE_MS,
      }),
    async close() {
      for (const owner of owners.values()) owner.close();
      await farSide?.[Symbol.asyncDispose]();
    },
  };
}
