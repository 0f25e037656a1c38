/** Lets the STUN servers tell about a device's port, with the addresses and peers that this host knows. */
import { type Family, StunmeshError } from '../api/index.js';
import type { InterfaceConfig } from '../config/index.js';
import type { NatBehaviour } from '../nat/behaviour-types.js';
import { discoverDeviceNat } from '../nat/examination.js';
import { createAgent } from '../stun/agent.js';
import type { DoctorContext } from './context.js';

/** Errors: those of device, capture and openStunSocket; ERR_WG_FAILED where the device listens on no port. */
export async function examineNat(
  context: DoctorContext,
  entry: InterfaceConfig,
  family: Family,
): Promise<NatBehaviour> {
  const { clock, random, resolve, signal } = context.parts;
  const [device, underlay] = await Promise.all([context.device(entry.name), context.underlay(entry)]);
  if (device.listenPort === 0) {
    throw new StunmeshError(
      'ERR_WG_FAILED',
      `the device ${device.name} listens on no port, so nothing can be asked by it`,
    );
  }
  await using agent = createAgent({
    clock,
    random,
    openSocket: underlay.openStunSocket,
    binding: underlay.binding,
  });
  return await discoverDeviceNat(
    { underlay, agent, clock, resolve, random },
    {
      family,
      device,
      servers: context.config?.stun.addresses ?? [],
      signal,
    },
  );
}
