/** STUN servers that contradict each other: told once in the log and kept for `status`; where most of them see another address, it is looked for at once (F82). */
import { type Family, StunmeshError } from '../../api/index.js';
import { localCandidate } from '../../paths/candidate.js';
import { createFault } from '../../peers/faults.js';
import { describeDisagreement, type WitnessVerdict } from '../../stun/witnesses.js';
import type { DeviceComponents } from '../device-components.js';

export interface DisagreementComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'emit' | 'signal'> {
  /** The published address is not the one that most servers see. */
  outvoted(): void;
}

/** Takes up what the witnesses of a discovery say. */
export function createDisagreements(
  components: DisagreementComponents,
): (family: Family, verdict: WitnessVerdict | undefined) => void {
  const { device, clock, logger, emit, signal } = components;
  /** Who was contradicted, until it is heard to agree. */
  const contradicted = new Map<Family, ReadonlySet<string>>();
  return (family, verdict) => {
    if (!verdict || signal.aborted) return;
    const { kept, majority, outliers, heard } = verdict;
    if (outliers.length === 0) {
      if ([...(contradicted.get(family) ?? [])].some((server) => !heard.has(server))) return;
      contradicted.delete(family);
      device.disagreements.delete(family);
      return;
    }
    // Without a majority nobody is left out of the next discovery, so all are heard again.
    contradicted.set(family, new Set(majority ? outliers.map(({ server }) => server) : []));
    const error = new StunmeshError('ERR_STUN_DISAGREE', describeDisagreement(verdict), {
      details: { family, outliers: outliers.map(({ server }) => server).join(', ') },
    });
    const known = device.disagreements.get(family);
    device.disagreements.set(family, createFault(error, clock.wallNow()));
    if (known?.message !== error.message) {
      logger.warn({ device: device.name, family: `ipv${family}`, error }, 'a STUN server lies, or is mistaken');
      const { code, message } = error;
      if (!known) emit('fault', undefined, { family: `ipv${family}`, code, message });
    }
    const published = localCandidate(device.candidates, 'reflexive', family)?.endpoint.address;
    if (majority && published !== undefined && published !== kept.mapped.address) components.outvoted();
  };
}
