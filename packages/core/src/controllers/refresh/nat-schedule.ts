/** Finds out in quiet moments how the NATs before a device behave, so that its records tell peers (F42: seldom, and with an off switch). */
import type { Family } from '../../api/index.js';
import type { NatSummary } from '../../nat/behaviour-types.js';
import { formatNatCode } from '../../nat/code.js';
import type { DeviceEntry } from '../../peers/peer-table.js';
import type { Controllers } from '../device-components.js';

/** After a start or a change of the network: tunnels take seconds and come first; who is without one then may have a NAT in the way. */
const CALM_MS = 20_000;
/** No two examinations come closer together: some twenty small packets each. */
const GAP_MS = 600_000;

export interface NatWatch {
  /** Called at every beat: begins an examination where one is due. */
  look(): void;
  /** The network changed. */
  changed(): void;
  /** Resolves when nothing runs any more; the signal of the controllers ends what does. */
  stop(): Promise<void>;
}

/** `told` is called when records should tell something else than before. */
export function createNatWatch(c: Controllers, device: DeviceEntry, told: () => void): NatWatch {
  let wantedSince: number | undefined = c.clock.now();
  let lastAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  /** What contradicts that which is told: believed once it was found twice. */
  const doubts = new Map<Family, string>();
  /** Reflexive addresses that were examined: where the servers can tell nothing they are not asked for ever. */
  const examined = new Map<Family, string>();

  const note = (error: unknown): undefined => {
    if (!c.signal.aborted) c.logger.debug({ device: device.name, error }, 'NAT behaviour not found out');
  };

  const examine = async (): Promise<void> => {
    let again = false;
    let news = false;
    for (const family of [...device.mappings.keys()]) {
      const found = await c.examineNat?.(device, family, c.signal).catch(note);
      const address = device.mappings.get(family)?.endpoint.address;
      // It moved meanwhile: what was found is of the past.
      if (!found || address === undefined || found.mapped?.address !== address) continue;
      examined.set(family, address);
      if (found.mapping === 'unknown') continue;
      const before = device.nat.get(family);
      const known = before?.address === address ? before.summary : undefined;
      const summary = merge(known, found);
      const code = formatNatCode(new Map([[family, summary]]));
      if (known && code === formatNatCode(new Map([[family, known]]))) doubts.delete(family);
      else if (known && doubts.get(family) !== code) {
        doubts.set(family, code);
        again = true;
      } else {
        doubts.delete(family);
        device.nat.set(family, { address, summary });
        news = true;
        c.logger.info(
          { device: device.name, family: `ipv${family}`, mapping: summary.mapping, filtering: summary.filtering },
          'NAT behaviour',
        );
      }
    }
    if (again) wantedSince ??= c.clock.now();
    if (news) told();
  };

  return {
    look() {
      const now = c.clock.now();
      if (!c.examineNat || !c.settings().natCheck || running || !device.facts || device.discovering) return;
      for (const [family, { endpoint }] of device.mappings)
        if (examined.get(family) !== endpoint.address) wantedSince ??= now;
      if (wantedSince === undefined || device.mappings.size === 0 || now - lastAt < GAP_MS) return;
      if (now - wantedSince < CALM_MS) return;
      wantedSince = undefined;
      lastAt = now;
      running = examine()
        .catch(note)
        .finally(() => {
          running = undefined;
        });
    },
    changed() {
      wantedSince = c.clock.now();
    },
    async stop() {
      await running;
    },
  };
}

/** An examination that could not tell the filtering takes back nothing that an earlier one found. */
function merge(known: NatSummary | undefined, { mapping, filtering, cgnat }: NatSummary): NatSummary {
  const kept = filtering === 'unknown' && known?.mapping === mapping ? known.filtering : filtering;
  return { mapping, filtering: kept, cgnat };
}

/** What a record of ours tells now; undefined: nothing is known of the NATs before our present addresses. */
export function natCode(device: DeviceEntry): string | undefined {
  const summaries = new Map<Family, NatSummary>();
  for (const [family, { address, summary }] of device.nat)
    if (device.mappings.get(family)?.endpoint.address === address) summaries.set(family, summary);
  return formatNatCode(summaries) || undefined;
}
