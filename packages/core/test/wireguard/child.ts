/** Run as a child by open.test: opens WireGuard control with the options of argv[2], does what argv[3] says, prints the outcome as JSON. */
import { isStunmeshError } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/index.js';
import { openWireGuardControl } from '#src/wireguard/index.js';

const [, , options = '{}', verb, device = ''] = process.argv;
const control = openWireGuardControl({
  clock: createSystemClock(),
  logger: createMemoryLogger(),
  ...(JSON.parse(options) as { uapiDir?: string; wgCommand?: string }),
});
const { signal } = new AbortController();
try {
  const value =
    verb === 'devices' ? await control.devices({ signal }) : (await control.device(device, { signal })).name;
  process.stdout.write(JSON.stringify({ value }));
} catch (error) {
  const { code, message } = isStunmeshError(error) ? error : { code: 'unknown', message: String(error) };
  process.stdout.write(JSON.stringify({ code, message }));
}
