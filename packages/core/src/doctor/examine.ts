/** Runs all checks and hands their findings over in the report's order, each group as soon as it is known. */
import { captureCheck } from './checks/capture.js';
import { clockCheck } from './checks/clock.js';
import { configurationCheck } from './checks/configuration.js';
import { daemonCheck } from './checks/daemon.js';
import { deviceCheck } from './checks/device.js';
import { natCheck } from './checks/nat.js';
import { peerCheck } from './checks/peer.js';
import { portMappingCheck } from './checks/port-mapping.js';
import { privilegesCheck } from './checks/privileges.js';
import { routeCheck } from './checks/route.js';
import { storeCheck } from './checks/store.js';
import { stunCheck } from './checks/stun.js';
import { wireguardCheck } from './checks/wireguard.js';
import type { DoctorContext, DoctorParts } from './context.js';
import { createContext } from './create-context.js';
import { CHECKS, type Check, type Finding, fromError } from './finding.js';
import { inWordsOf } from './system-remedies.js';

const ALL: readonly Check<DoctorContext>[] = [
  configurationCheck,
  privilegesCheck,
  wireguardCheck,
  captureCheck,
  deviceCheck,
  daemonCheck,
  routeCheck,
  stunCheck,
  natCheck,
  portMappingCheck,
  clockCheck,
  storeCheck,
  peerCheck,
];

/** Groups in the order of CHECKS. A check that breaks is a finding itself. */
export async function* examine(parts: DoctorParts): AsyncGenerator<readonly Finding[]> {
  await using context = createContext(parts);
  const running = ALL.toSorted((a, b) => CHECKS.indexOf(a.name) - CHECKS.indexOf(b.name)).map((check) =>
    run(check, context),
  );
  const { platform } = parts.system;
  for (const findings of running) yield (await findings).map((finding) => inWordsOf(platform, finding));
}

async function run(check: Check<DoctorContext>, context: DoctorContext): Promise<readonly Finding[]> {
  try {
    return await check.run(context);
  } catch (error) {
    return [{ check: check.name, verdict: 'fault', ...fromError(error) }];
  }
}
