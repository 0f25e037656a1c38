/** What doctor has to say: findings, from well to fault, and the exit status that sums them up. */
import { isStunmeshError } from '../api/index.js';
import { ERRNO_REMEDIES } from './errno-remedies.js';
import { REMEDIES } from './remedies.js';

/** From harmless to grave. `note`: worth knowing, nothing to do. */
export const VERDICTS = ['ok', 'note', 'warning', 'fault'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The groups of a report, in its order. */
export const CHECKS = [
  'configuration',
  'privileges',
  'wireguard',
  'capture',
  'device',
  'daemon',
  'route',
  'stun',
  'nat',
  'portmap',
  'clock',
  'store',
  'peer',
] as const;
export type CheckName = (typeof CHECKS)[number];

export type FindingDetails = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Finding {
  readonly check: CheckName;
  /** What it is about where there are several: "wg0", "wg0/site-b", "stun.example.net:3478 (IPv4)". */
  readonly subject?: string;
  readonly verdict: Verdict;
  /** One sentence, without secrets. */
  readonly text: string;
  /** What to do; there with every warning and fault. */
  readonly remedy?: string;
  /** The error code behind it: docs/errors.md has more about it. */
  readonly code?: string;
  /** Numbers and names for programs. */
  readonly details?: FindingDetails;
}

/** One examination: it looks, and says what it found; it changes nothing but what its name says. */
export interface Check<Parts> {
  readonly name: CheckName;
  run(parts: Parts): Promise<readonly Finding[]>;
}

/** The gravest verdict of all; ok where there are none. */
export function worstOf(findings: readonly Finding[]): Verdict {
  return VERDICTS.findLast((verdict) => findings.some((finding) => finding.verdict === verdict)) ?? 'ok';
}

/** 0: well, 1: warnings, 2: faults. */
export function exitStatus(findings: readonly Finding[]): 0 | 1 | 2 {
  const worst = worstOf(findings);
  return worst === 'fault' ? 2 : worst === 'warning' ? 1 : 0;
}

/** The message of an error, its code, and the remedy that docs/errors.md gives, as members of a finding. */
export function fromError(error: unknown): Pick<Finding, 'text' | 'remedy' | 'code'> {
  const code = isStunmeshError(error) ? error.code : 'ERR_INTERNAL';
  // A third party's code is explained by its own documentation alone; where to look is all that can be said.
  const errno = isStunmeshError(error) ? String(error.details['errno']) : '';
  const remedy = ERRNO_REMEDIES[code]?.[errno] ?? REMEDIES[code] ?? REMEDIES['ERR_STORE_INTERNAL'];
  return {
    text: error instanceof Error ? error.message : String(error),
    code,
    ...(remedy === undefined ? {} : { remedy }),
  };
}

/** The remedy of a code, for findings that have words of their own; `errno`: what the operating system called it. */
export function remedyOf(code: string, errno = ''): string {
  return ERRNO_REMEDIES[code]?.[errno] ?? REMEDIES[code] ?? REMEDIES['ERR_INTERNAL'] ?? '';
}
