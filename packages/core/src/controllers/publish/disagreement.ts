/** STUN servers that contradict each other: told once in the log and kept for `status`; where most of them see another address, it is looked for at once (F82). */
import { type Family, StunmeshError } from '../../api/index.js';
import { createFault, type DeviceEntry } from '../../peers/peer-table.js';
import { describeDisagreement, type WitnessVerdict } from '../../stun/witnesses.js';
import type { Controllers } from '../device-components.js';

/** `outvoted` is called when the published address is not the one that most servers see. */
export function hearWitnesses(
  c: Controllers,
  device: DeviceEntry,
  family: Family,
  verdict: WitnessVerdict | undefined,
  outvoted: () => void,
): void {
  if (!verdict || c.signal.aborted) return;
  const { kept, majority, outliers } = verdict;
  if (outliers.length === 0) {
    device.disagreements.delete(family);
    return;
  }
  const error = new StunmeshError('ERR_STUN_DISAGREE', describeDisagreement(verdict), {
    details: { family, outliers: outliers.map(({ server }) => server).join(', ') },
  });
  const known = device.disagreements.get(family);
  device.disagreements.set(family, createFault(error, c.clock.wallNow()));
  if (known?.message !== error.message) {
    c.logger.warn({ device: device.name, family: `ipv${family}`, error }, 'a STUN server lies, or is mistaken');
    const { code, message } = error;
    if (!known) c.emit('fault', device, undefined, { family: `ipv${family}`, code, message });
  }
  const published = device.mappings.get(family)?.endpoint.address;
  if (majority && published !== undefined && published !== kept.mapped.address) outvoted();
}
