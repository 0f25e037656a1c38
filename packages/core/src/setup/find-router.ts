/** Which router of this host opens ports when it is asked, and by what; nothing is mapped. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../api/index.js';
import { PROTOCOL_NAMES } from '../portmap/mapping.js';
import { createRouter } from '../portmap/router.js';
import type { Underlay } from '../underlay/underlay.js';
import type { FoundRouter } from './plan.js';

/** An address of no host (RFC 5737), which stands for any public one. */
const ANYWHERE = '192.0.2.1';

/** undefined: none answers, or the capture cannot ask. Errors: those of the capture. */
export async function findMappingRouter(
  underlay: Pick<Underlay, 'opensSockets' | 'routeTo' | 'openDatagramSocket' | 'connectTcp'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<FoundRouter | undefined> {
  if (!underlay.opensSockets) return undefined;
  const router = createRouter({
    underlay,
    clock,
    random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    note: () => undefined,
  });
  const gateway = await router.find(4, ANYWHERE);
  const protocol = gateway && (await router.speaks(gateway, signal));
  return gateway && protocol ? { address: gateway.address, protocol: PROTOCOL_NAMES[protocol] } : undefined;
}
