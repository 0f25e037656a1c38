/** A host's routers that map by destination from now on, as a provider's change or another uplink makes them. */
import { type Host, must } from '../index.js';
import { natRules } from '../nat-rules.js';

/** Every router before the host becomes symmetric, and knows none of its connections any more. */
export async function turnSymmetric(host: Host): Promise<void> {
  for (const router of host.plan.routers) {
    const rules = natRules({ ...router, kind: 'symmetric' }, router.wanAddress);
    await must(router.namespace, ['nft', '-f', '-'], { input: rules });
  }
  await host.flushConntrack();
}

/** They are again as the laboratory was made. */
export async function turnBack(host: Host): Promise<void> {
  for (const router of host.plan.routers) await must(router.namespace, ['nft', '-f', '-'], { input: natRules(router) });
  await host.flushConntrack();
}
