/** A host's NAT behaviour in a word: "4ep" is IPv4, endpoint-independent mapping, port-dependent filtering; and as a record tells it. */
import type { Family } from '../api/index.js';
import type { PathCode } from '../record/path-code.js';
import type { FilteringBehaviour, MappingBehaviour, NatSummary } from './behaviour-types.js';

const MAPPING: Readonly<Record<MappingBehaviour, string>> = {
  none: 'n',
  'endpoint-independent': 'e',
  'address-dependent': 'a',
  'address-and-port-dependent': 'p',
  unknown: 'u',
};
const FILTERING: Readonly<Record<FilteringBehaviour, string>> = {
  'endpoint-independent': 'e',
  'address-dependent': 'a',
  'address-and-port-dependent': 'p',
  unknown: 'u',
};
/** After a family's letters: the carrier translates. */
const CGNAT = 'c';

/** At most 8 characters; empty where nothing is known. */
export function formatNatCode(summaries: ReadonlyMap<Family, NatSummary>): string {
  return [4, 6]
    .map((family) => {
      const summary = summaries.get(family as Family);
      if (!summary || (summary.mapping === 'unknown' && summary.filtering === 'unknown')) return '';
      return `${family}${MAPPING[summary.mapping]}${FILTERING[summary.filtering]}${summary.cgnat ? CGNAT : ''}`;
    })
    .join('');
}

/** Empty for what cannot be read: a later version may say more than this one understands. */
export function parseNatCode(code: string | undefined): ReadonlyMap<Family, NatSummary> {
  const summaries = new Map<Family, NatSummary>();
  if (code === undefined || !/^(?:[46][neapu][eapu]c?){1,2}$/.test(code)) return summaries;
  for (const [, family, mapping, filtering, cgnat] of code.matchAll(/([46])(.)(.)(c?)/g)) {
    summaries.set(family === '4' ? 4 : 6, {
      mapping: nameOf(MAPPING, mapping),
      filtering: nameOf(FILTERING, filtering),
      cgnat: cgnat === CGNAT,
    });
  }
  return summaries;
}

/** What a record's member `c` tells; empty where nothing is known. Of IPv6 it tells the filtering alone, for nobody translates there. */
export function natOf(code: PathCode | undefined): ReadonlyMap<Family, NatSummary> {
  const summaries = new Map<Family, NatSummary>();
  if (!code) return summaries;
  const { mapping4: mapping, filtering4: filtering, cgnat, filtering6, allocation } = code;
  if (mapping !== 'unknown' || filtering !== 'unknown')
    summaries.set(4, { mapping, filtering, cgnat, ...(allocation === 'unknown' ? {} : { allocation }) });
  if (filtering6 !== 'unknown') summaries.set(6, { mapping: 'none', filtering: filtering6, cgnat: false });
  return summaries;
}

function nameOf<Name extends string>(
  letters: Readonly<Record<Name, string>>,
  letter: string | undefined,
): Name | 'unknown' {
  const names = Object.keys(letters) as Name[];
  return names.find((name) => letters[name] === letter) ?? 'unknown';
}
