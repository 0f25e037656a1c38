/** Records with the member `c`, for tests that care for one or two of its values. */
import type { Endpoint } from '#src/api/index.js';
import { formatNatCode, parseNatCode } from '#src/nat/code.js';
import { type EndpointRecord, formatRecord } from '#src/record/endpoint-record.js';
import type { PathCode } from '#src/record/path-code.js';

/** What nobody knows anything of. */
export const BARE_CODE: PathCode = {
  readsLong: true,
  clockSane: true,
  mapping4: 'unknown',
  filtering4: 'unknown',
  cgnat: false,
  filtering6: 'unknown',
  allocation: 'unknown',
  t: 0,
  n: 0,
  f: '00000000',
  candidates: {},
};

/** `nat` as formatNatCode writes it. */
export function codeOf({ nat, ...code }: Partial<PathCode> & { readonly nat?: string }): PathCode {
  const told = parseNatCode(nat);
  if (nat !== undefined && formatNatCode(told) !== nat) throw new Error(`no NAT code: ${nat}`);
  const four = told.get(4);
  return {
    ...BARE_CODE,
    mapping4: four?.mapping ?? 'unknown',
    filtering4: four?.filtering ?? 'unknown',
    cgnat: four?.cgnat ?? false,
    filtering6: told.get(6)?.filtering ?? 'unknown',
    ...code,
  };
}

/** The plain text of a record, its endpoints as text. */
export function codedPlain(endpoints: Readonly<Record<string, string>>, code: Parameters<typeof codeOf>[0]): string {
  return JSON.stringify({
    ...endpoints,
    ...JSON.parse(formatRecord({ c: codeOf(code) } satisfies EndpointRecord).plain),
  });
}

/** A record to be sealed; without `t` it has no member `c`, as older writers do. */
export interface PutRecord {
  readonly ipv4?: Endpoint;
  readonly t?: number;
  /** Default: the sender's. */
  readonly f?: string;
  /** How its NATs behave (formatNatCode). */
  readonly nat?: string;
}

/** `sender`: the fingerprint that it bears where it names none. */
export function plainOf({ ipv4, t, f, nat }: PutRecord, sender: string): string {
  const c = t === undefined ? undefined : codeOf({ t, f: f ?? sender, ...(nat === undefined ? {} : { nat }) });
  return formatRecord({ ...(ipv4 ? { ipv4 } : {}), ...(c ? { c } : {}) }).plain;
}
