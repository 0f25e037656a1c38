/** Which router of this host opens ports when it is asked, and by what; nothing is mapped. */
import { randomBytes } from 'node:crypto';
import type { CaptureModule, Clock } from '../api/index.js';
import { PROTOCOL_NAMES } from '../portmap/mapping.js';
import { createRouter } from '../portmap/router.js';
import type { FoundRouter } from './plan.js';

/** An address of no host (RFC 5737), which stands for any public one. */
const ANYWHERE = '192.0.2.1';
/** The way of packets that belong to no device. */
const PLAIN = { firewallMark: 0 } as const;

/** undefined: none answers, or the capture cannot ask. Errors: those of the capture. */
export async function findMappingRouter(
  capture: Pick<CaptureModule, 'routeTo' | 'openDatagramSocket' | 'connectTcp'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<FoundRouter | undefined> {
  const { routeTo, openDatagramSocket, connectTcp } = capture;
  if (!routeTo || !openDatagramSocket || !connectTcp) return undefined;
  const router = createRouter({
    underlay: {
      routeTo: (to) => routeTo({ to, ...PLAIN }),
      openDatagramSocket: (options) => openDatagramSocket({ ...options, ...PLAIN }),
      connectTcp: (options) => connectTcp({ ...options, ...PLAIN }),
    },
    clock,
    random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    note: () => undefined,
  });
  const gateway = await router.find(4, ANYWHERE);
  const protocol = gateway && (await router.speaks(gateway, signal));
  return gateway && protocol ? { address: gateway.address, protocol: PROTOCOL_NAMES[protocol] } : undefined;
}
