/** The ledger of searches as it is read from its file: what is damaged counts as spent, never as free (F60). */
import type { LedgerPair, LedgerState } from './search-ledger.js';

/** Of pairs and of seconds: a file of ours has at most an hour of them. */
const MOST = 10_000;

/** Undefined: not a ledger of this version. */
export function parseLedger(value: unknown): LedgerState | undefined {
  if (!isObject(value) || value['version'] !== 1) return undefined;
  const { probes, pairs, reserved } = value;
  if (!Array.isArray(probes) || probes.length > MOST || !probes.every(isCount) || !isObject(pairs)) return undefined;
  const known = Object.entries(pairs);
  if (known.length > MOST || !isWhole(reserved)) return undefined;
  return {
    version: 1,
    probes,
    pairs: Object.fromEntries(known.flatMap(([name, pair]) => (isPair(pair) ? [[name, pair] as const] : []))),
    reserved,
  };
}

function isCount(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isWhole);
}

function isPair(value: unknown): value is LedgerPair {
  if (!isObject(value)) return false;
  const { series, lastAt, addresses, ports, portsUntil } = value;
  return (
    isWhole(series) &&
    isWhole(lastAt) &&
    typeof addresses === 'string' &&
    (ports === undefined || (Array.isArray(ports) && ports.every(isPort))) &&
    (portsUntil === undefined || isWhole(portsUntil))
  );
}

function isPort(value: unknown): boolean {
  return isWhole(value) && value > 0 && value <= 65_535;
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
