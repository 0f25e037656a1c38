/** Finds out in quiet moments how the NATs before a device behave, so that its records tell peers (F42: seldom, and with an off switch). */
import { randomBytes } from 'node:crypto';
import { type Family, StunmeshError } from '../../api/index.js';
import type { NatSummary } from '../../nat/behaviour-types.js';
import { formatNatCode } from '../../nat/code.js';
import { isSymmetric } from '../../nat/mapping.js';
import { localCandidate } from '../../paths/candidate.js';
import type { DeviceComponents } from '../device-components.js';

/** After a start or a change of the network: tunnels take seconds and come first; who is without one then may have a NAT in the way. */
const CALM_MS = 20_000;
/** No two examinations come closer together: some twenty small packets each. */
const GAP_MS = 600_000;
/** But where the public port changed and the address did not: a NAT that maps by destination looks like that, and no tunnel comes of it. */
const PORT_CHANGED_GAP_MS = 120_000;

export interface NatSchedule {
  /** Called at every beat: begins an examination where one is due. */
  look(): void;
  /** The network changed. */
  changed(): void;
  /** Resolves when nothing runs any more; the signal of the controllers ends what does. */
  stop(): Promise<void>;
}

export interface NatScheduleComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'settings' | 'signal' | 'examineNat'> {
  /** Records should tell something else than before. */
  onNews(): void;
}

export function createNatSchedule(components: NatScheduleComponents): NatSchedule {
  const { device, clock, logger, settings, signal, examineNat } = components;
  let wantedSince: number | undefined = clock.now();
  let lastAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  /** What contradicts that which is told: believed once it was found twice. */
  const doubts = new Map<Family, string>();
  /** Reflexive addresses that were examined: where the servers can tell nothing they are not asked for ever. */
  const examined = new Map<Family, string>();

  const reflexive = (family: Family) => localCandidate(device.candidates, 'reflexive', family)?.endpoint;
  const families = () => ([4, 6] as const).filter((family) => reflexive(family) !== undefined);

  const note = (error: unknown): undefined => {
    if (!signal.aborted) logger.debug({ device: device.name, error }, 'NAT behaviour not found out');
  };

  /** The last public port of each address; what a state file tells of it reaches over a restart. */
  const ports = new Map<Family, { readonly address: string; readonly port: number }>();
  for (const [family, { address, port }] of device.nat) if (port !== undefined) ports.set(family, { address, port });
  let portChanged = false;
  let portChangedAt = Number.NEGATIVE_INFINITY;

  const watchPorts = (): void => {
    for (const family of families()) {
      const now = reflexive(family);
      const before = ports.get(family);
      if (!now) continue;
      ports.set(family, now);
      const { summary, address } = device.nat.get(family) ?? {};
      const known = address === now.address && summary !== undefined && isSymmetric(summary);
      if (before?.address === now.address && before.port !== now.port && !known) portChanged = true;
    }
  };

  const examine = async (believed: boolean): Promise<void> => {
    let again = false;
    let news = false;
    for (const family of families()) {
      const found = await examineNat?.(family, signal).catch(note);
      const address = reflexive(family)?.address;
      // It moved meanwhile: what was found is of the past.
      if (!found || address === undefined || found.mapped?.address !== address) continue;
      examined.set(family, address);
      if (found.mapping === 'unknown') continue;
      const before = device.nat.get(family);
      const known = before?.address === address ? before.summary : undefined;
      const summary = merge(known, found);
      const code = formatNatCode(new Map([[family, summary]]));
      const same = known && code === formatNatCode(new Map([[family, known]]));
      if (same && (summary.allocation === undefined || known.allocation !== undefined)) doubts.delete(family);
      else if (same) {
        // The same NAT, of which more is known now.
        doubts.delete(family);
        device.nat.set(family, { address, summary });
        news = true;
      } else if (known && !believed && doubts.get(family) !== code) {
        doubts.set(family, code);
        again = true;
      } else {
        doubts.delete(family);
        device.nat.set(family, { address, summary });
        news = true;
        logger.info(
          { device: device.name, family: `ipv${family}`, mapping: summary.mapping, filtering: summary.filtering },
          'NAT behaviour',
        );
      }
    }
    if (again) wantedSince ??= clock.now();
    if (news) components.onNews();
  };

  return {
    look() {
      const now = clock.now();
      if (!examineNat || !settings().natCheck || running || !device.facts || device.discovering) return;
      watchPorts();
      for (const family of families()) if (examined.get(family) !== reflexive(family)?.address) wantedSince ??= now;
      const atOnce = portChanged && now - portChangedAt >= PORT_CHANGED_GAP_MS;
      const calm = wantedSince !== undefined && now - lastAt >= GAP_MS && now - wantedSince >= CALM_MS;
      if (families().length === 0 || !(atOnce || calm)) return;
      if (atOnce) portChangedAt = now;
      portChanged = false;
      wantedSince = undefined;
      lastAt = now;
      // A port that changed bears witness of itself: what is found needs no second finding.
      running = examine(atOnce)
        .catch(note)
        .finally(() => {
          running = undefined;
        });
    },
    changed() {
      wantedSince = clock.now();
    },
    async stop() {
      await running;
    },
  };
}

/** An examination that could not tell the filtering takes back nothing that an earlier one found. */
function merge(known: NatSummary | undefined, found: NatSummary): NatSummary {
  const { mapping, filtering, cgnat } = found;
  const before = known?.mapping === mapping ? known : undefined;
  const kept = filtering === 'unknown' && before ? before.filtering : filtering;
  const allocation =
    found.allocation === undefined || found.allocation === 'unknown' ? before?.allocation : found.allocation;
  return { mapping, filtering: kept, cgnat, ...(allocation === undefined ? {} : { allocation }) };
}

export interface ExaminationComponents
  extends Pick<DeviceComponents, 'device' | 'underlay' | 'agent' | 'clock' | 'resolve'> {
  /** "host:port" of the servers, as configured now. */
  servers(): readonly string[];
}

/** Examines the NATs before a device through its STUN servers. */
export function createExamination(components: ExaminationComponents): Required<Pick<DeviceComponents, 'examineNat'>> {
  const { device, underlay, agent, clock, resolve, servers } = components;
  const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));
  return {
    async examineNat(family, signal) {
      const { name, facts } = device;
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${name} is not there`);
      // Seldom needed, and never before the first ping.
      const { discoverDeviceNat } = await import('../../nat/examination.js');
      return discoverDeviceNat(
        { underlay, agent, clock, resolve, random },
        { family, device: facts, servers: servers(), distance: false, signal },
      );
    },
  };
}
